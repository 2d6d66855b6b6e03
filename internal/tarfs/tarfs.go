// Package tarfs finds the files of a tar and opens them where they lie: it unpacks nothing, and names are
// keys, never paths. It knows nothing of images. A tar comes as an io.ReaderAt with a size ([New]), or as a
// stream that is read once ([Scan], [NewStream]). Either way the answer is an [Index], which is an fs.FS too.
//
// Links are followed inside the tar only. Several entries may have one name only if they are the same. Sparse
// files read with their holes. What a tar can make the package hold is bounded. The content of files is not
// verified. Errors about a tar that is damaged or ambiguous wrap verify.ErrMismatch, those about what is no
// tar [ErrNotTar].
package tarfs
