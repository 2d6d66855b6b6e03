package cut

// Rooms makes another function tell how much room there is, until end is called.
func Rooms(of func(dir string) (int64, error)) (end func()) {
	old := free
	free = of
	return func() { free = old }
}
