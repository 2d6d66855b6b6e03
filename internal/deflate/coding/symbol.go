package coding

// The extra bits of the length symbols, the first being 257, and of the distance symbols
// (https://www.rfc-editor.org/rfc/rfc1951#section-3.2.5).
var (
	LengthExtra   = [29]uint8{8: 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	DistanceExtra = [Distances]uint8{
		4: 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
	}
)

// The smallest length and the smallest distance of each symbol.
var (
	LengthBase   [29]uint16
	DistanceBase [Distances]uint16
)

// HeaderOrder is the order in which a block lists the code lengths of its header symbols.
var HeaderOrder = [Headers]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// FixedCode is that of a Fixed block. Two more literals and distances have a code, and no meaning.
var FixedCode = func() (c Code) {
	for i := range c.Literals {
		switch {
		case i < 144:
			c.Literals[i] = 8
		case i < 256:
			c.Literals[i] = 9
		case i < 280:
			c.Literals[i] = 7
		default:
			c.Literals[i] = 8
		}
	}
	for i := range c.Distances {
		c.Distances[i] = 5
	}
	return c
}()

var (
	lengthSymbols  [MaxMatch + 1]uint16
	nearDistances  [257]uint8 // by distance
	otherDistances [256]uint8 // by (distance-1) / 128
)

func init() {
	length := MinMatch
	for i, extra := range LengthExtra {
		LengthBase[i] = uint16(length)
		for end := length + 1<<extra; length < end && length <= MaxMatch; length++ {
			lengthSymbols[length] = uint16(257 + i)
		}
	}
	LengthBase[28], lengthSymbols[MaxMatch] = MaxMatch, 285
	distance := 1
	for i, extra := range DistanceExtra {
		DistanceBase[i] = uint16(distance)
		for end := distance + 1<<extra; distance < end; distance++ {
			if distance <= 256 {
				nearDistances[distance] = uint8(i)
			}
			otherDistances[(distance-1)>>7] = uint8(i)
		}
	}
}

// LengthSymbol is the symbol of a match's length, 257 to 285.
func LengthSymbol(length int) int { return int(lengthSymbols[length]) }

// DistanceSymbol is that of a distance.
func DistanceSymbol(distance int) int {
	if distance <= 256 {
		return int(nearDistances[distance])
	}
	return int(otherDistances[(distance-1)>>7])
}

// Frequencies counts the symbols of a block. The end of the block counts once.
type Frequencies struct {
	Literals  [Literals]uint32
	Distances [Distances]uint32
}

// Add counts the symbols of a token.
func (f *Frequencies) Add(t Token) {
	if t.IsMatch() {
		f.Literals[LengthSymbol(t.Len())]++
		f.Distances[DistanceSymbol(t.Distance())]++
		return
	}
	f.Literals[t.Byte()]++
}

// Bits is how many bits the symbols take in a code, without the extra bits.
func (f *Frequencies) Bits(c *Code) int {
	bits := 0
	for i, n := range f.Literals {
		bits += int(n) * int(c.Literals[i])
	}
	for i, n := range f.Distances {
		bits += int(n) * int(c.Distances[i])
	}
	return bits
}

// ExtraBits is how many bits follow the symbols of matches.
func (f *Frequencies) ExtraBits() int {
	bits := 0
	for i, n := range f.Literals[EndBlock+1:] {
		bits += int(n) * int(LengthExtra[i])
	}
	for i, n := range f.Distances {
		bits += int(n) * int(DistanceExtra[i])
	}
	return bits
}
