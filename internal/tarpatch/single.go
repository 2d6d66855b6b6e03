package tarpatch

// single codes bytes, each by several contexts at once. Each context has a chance for the next bit, and the
// sum of all says how likely it is. What a chance weighs in the sum is learnt too. There are no floats here,
// so that all machines come to the same.
type single struct {
	slots   []chance // of all contexts, a power of two: who meets in one has to share it
	weights []int32
}

const (
	contexts = 8
	inputs   = contexts + 1 // and one that is always the same
	patience = 22           // bits after which a chance is the slowest
	haste    = 14           // of weights
	unknown  = 256
)

func newSingle(slots int) *single {
	s := &single{slots: make([]chance, 1<<slots), weights: make([]int32, 3<<8*inputs)}
	for i := range s.weights {
		s.weights[i] = 1 << 14
	}
	return s
}

// expects returns the byte that is thought to be next, or unknown.
func (m *novel) expects() uint32 {
	if m.right == 0 {
		return unknown
	}
	return uint32(m.remembered(m.expect))
}

// contexts are hashes of what the next byte depends on: of up to six bytes before it, the word that it is in,
// and the byte that is expected.
func (m *novel) contexts(expect uint32) (all [contexts]uint32) {
	h := uint32(0)
	for i := uint32(1); i <= 6; i++ {
		h = (h + m.last(i) + 1) * 0x2c1b3c6d
		h ^= h >> 15
		all[min(i, 5)] = h
	}
	for i := uint32(1); i < 24 && inWord(byte(m.last(i))); i++ {
		all[6] = (all[6] + m.last(i)) * 0x2c1b3c6d
	}
	all[6] ^= m.last(1) << 24
	all[7] = expect<<8 | m.last(1) | m.right<<20
	for i := range all {
		all[i] = (all[i] + uint32(i)) * 0x9e3779b1
	}
	return all
}

func inWord(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || b == '_' || b == '$' || b >= 0x80
}

// code codes the byte behind those that were seen.
func (s *single) code(m *novel, b byte) byte {
	expect := m.expects()
	hashes := m.contexts(expect)
	got := uint32(1) // the bits so far, behind a 1
	for i := 7; i >= 0; i-- {
		if i == 7 || i == 3 {
			for k := range hashes { // half a byte stays within 64 bytes of the slots
				hashes[k] = (hashes[k] ^ got) * 0x85ebca6b
				hashes[k] ^= hashes[k] >> 14
			}
		}
		low := got
		if i < 4 {
			low = got&(1<<(3-i)-1) | 1<<(3-i)
		}
		set := uint32(0)
		if expect != unknown && (expect|1<<8)>>(i+1) == got {
			set = 1 + m.right/7
		}
		weights := s.weights[(set<<8|got)*inputs:][:inputs]
		got = got<<1 | uint32(s.bit(m.coder, &hashes, low, weights, int(b>>i&1)))
	}
	return byte(got)
}

// bit codes a bit by the chances that the contexts have for it.
func (s *single) bit(c *coder, hashes *[contexts]uint32, low uint32, weights []int32, bit int) int {
	var slots [contexts]*chance
	var in [inputs]int32
	for k, h := range hashes {
		slots[k] = &s.slots[(h^low)&uint32(len(s.slots)-1)]
		if slots[k].seen == 0 {
			slots[k].zero = 1 << 15
		}
		in[k] = int32(stretched[slots[k].zero>>4])
	}
	in[contexts] = 1 << 8
	sum := int64(0)
	for k := range in {
		sum += int64(weights[k]) * int64(in[k])
	}
	zero := uint32(squashed[max(0, min(sum>>16+2048, 4095))])
	bit = c.split(zero, bit)
	wrong := (int32(1-bit)<<16 - int32(zero)) >> 4 * haste
	for k := range in {
		weights[k] += (in[k]*wrong + 1<<15) >> 16
	}
	for _, p := range slots {
		p.learn(bit, patience)
	}
	return bit
}

// squashed are chances in 65,536ths by the logarithm of what they are to their opposite, in 256ths and from
// -8 on; stretched is the other way round, by chances in 4,096ths.
var squashed, stretched = func() (chances [4096]uint16, logs [4096]int16) {
	const shrink = 4278222805 // 2^32 by e^(1/256)
	e := uint64(1) << 32
	for x := range 2048 {
		p := 1 << 48 / (1<<32 + e)
		chances[2048+x] = uint16(p)
		chances[2047-x] = uint16(1<<16 - p)
		e = e * shrink >> 32
	}
	x := 0
	for p := range logs {
		for x < 4095 && int(chances[x]) < p<<4+8 {
			x++
		}
		logs[p] = int16(x - 2048)
	}
	return chances, logs
}()
