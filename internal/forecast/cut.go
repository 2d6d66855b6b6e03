package forecast

import "drayage/internal/cut"

// Cut divides what an archive at path would need between the folders that its volumes would go to, and says
// what goes where. An earlier run has left some bytes of the archive.
func Cut(
	disks []Disk, path string, opts cut.Options, held int64,
) (all []Disk, shares []cut.Share, err error) {
	for _, d := range disks {
		if d.Path != path {
			all = append(all, d)
			continue
		}
		if shares, err = cut.Plan(path, opts, d.Needed+held); err != nil {
			return nil, nil, err
		}
		for _, share := range shares {
			needed := share.Size
			if len(shares) == 1 {
				needed -= held
			}
			part, err := NewDisk(share.Path, needed, min(share.Size, opts.Volume))
			if err != nil {
				return nil, nil, err
			}
			part.Bound, part.Volumes = d.Bound, share.Last-share.First+1+share.Parity
			all = append(all, part)
		}
	}
	return all, shares, nil
}
