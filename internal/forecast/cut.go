package forecast

import "drayage/internal/cut"

// Cut divides what an archive at path would need between the folders that its volumes would go to. An earlier
// run has left some bytes of the archive.
func Cut(
	disks []Disk, path string, opts cut.Options, held int64,
) (all []Disk, err error) {
	for _, d := range disks {
		if d.Path != path {
			all = append(all, d)
			continue
		}
		shares, err := cut.Plan(path, opts, d.Needed+held)
		if err != nil {
			return nil, err
		}
		for _, share := range shares {
			needed := share.Size
			if len(shares) == 1 {
				needed -= held
			}
			part, err := NewDisk(share.Path, needed, min(share.Size, opts.Volume))
			if err != nil {
				return nil, err
			}
			part.Bound, part.Volumes = d.Bound, share.Last-share.First+1+share.Parity
			part.Hint, part.Spare = share.Hint, cut.Besides
			if len(shares) > 1 {
				part.Share = share.Folder() + ": " + share.Volumes()
			}
			all = append(all, part)
		}
	}
	return all, nil
}
