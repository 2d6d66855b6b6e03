package imagesign

// SetRoom sets how many bytes may be read.
func (c *Checker) SetRoom(n int64) { c.room = n }
