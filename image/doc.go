// Package image is the vocabulary that all other packages share: what an image consists of, for which
// platform it is, and where its bytes come from.
//
// A [Source] gives out the bytes of blobs and manifests. Registries, layouts and archives are sources.
// Their bytes are raw: read them through [NewReader] or [ReadAll], which compare digest and size.
//
// [Load] reads the manifests of an image from a source and returns its [Graph]: every manifest and every
// blob that travels with it, each once. A [Selection] says which platforms are wanted. An [Image] is a
// graph together with its source. [Absent] says of a part that it is not there, and why.
//
// [Document.Judge] decides whether a manifest describes a container image, an artifact, or an image whose
// layers cannot be unpacked. Nothing else decides that.
package image
