package tarfs

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
)

// blobs is where the blobs of a layout stand. Archives of very many images have few other entries.
const blobs = "blobs/sha256/"

// sum is the name of a blob, in less than half of the bytes of its text.
type sum [sha256.Size]byte

// sumOf is the sum that a name stands for, if the same name can be made of it again.
func sumOf(name string) (s sum, ok bool) {
	if len(name) != len(blobs)+hex.EncodedLen(len(s)) || name[:len(blobs)] != blobs {
		return s, false
	}
	digits := name[len(blobs):]
	for i := range len(digits) {
		if c := digits[i]; c >= 'A' && c <= 'F' {
			return s, false
		}
	}
	_, err := hex.Decode(s[:], []byte(digits))
	return s, err == nil
}

// nameSet holds names, each once, and finds their numbers.
type nameSet struct {
	seed  maphash.Seed
	sums  []sum
	texts []string
	refs  []ref   // by number
	slots []int32 // open addressing: a number and one, or 0; nil: there is none yet
}

// ref is where a name is: in sums from 0 up, or in texts from -1 down.
type ref int32

func (n *nameSet) text(number int32) string {
	r := n.refs[number]
	if r < 0 {
		return n.texts[^r]
	}
	return blobs + hex.EncodeToString(n.sums[r][:])
}

// find returns the number of a name, or -1.
func (n *nameSet) find(name string) int32 {
	if n.slots == nil {
		return -1
	}
	s, isSum := sumOf(name)
	hash := n.hash(name)
	if isSum {
		hash = n.hashSum(s)
	}
	for at := n.at(hash); n.slots[at] > 0; at = n.after(at) {
		number := n.slots[at] - 1
		r := n.refs[number]
		if isSum && r >= 0 && n.sums[r] == s || !isSum && r < 0 && n.texts[^r] == name {
			return number
		}
	}
	return -1
}

// add enters a name that is not there, and returns its number.
func (n *nameSet) add(name string) int32 {
	number := int32(len(n.refs))
	if s, ok := sumOf(name); ok {
		n.refs, n.sums = append(n.refs, ref(len(n.sums))), append(n.sums, s)
	} else {
		n.refs, n.texts = append(n.refs, ^ref(len(n.texts))), append(n.texts, name)
	}
	if 4*len(n.refs) > 3*len(n.slots) {
		n.grow()
	} else {
		n.place(number)
	}
	return number
}

// grow makes room for as many names again.
func (n *nameSet) grow() {
	if n.slots == nil {
		n.seed = maphash.MakeSeed()
	}
	n.slots = make([]int32, max(16, 2*len(n.slots)))
	for number := range n.refs {
		n.place(int32(number))
	}
}

func (n *nameSet) place(number int32) {
	var hash uint64
	if r := n.refs[number]; r < 0 {
		hash = n.hash(n.texts[^r])
	} else {
		hash = n.hashSum(n.sums[r])
	}
	at := n.at(hash)
	for n.slots[at] > 0 {
		at = n.after(at)
	}
	n.slots[at] = number + 1
}

func (n *nameSet) hash(name string) uint64 { return maphash.String(n.seed, name) }

func (n *nameSet) hashSum(s sum) uint64 { return maphash.Bytes(n.seed, s[:]) }

func (n *nameSet) at(hash uint64) int { return int(hash & uint64(len(n.slots)-1)) }

func (n *nameSet) after(at int) int { return (at + 1) & (len(n.slots) - 1) }
