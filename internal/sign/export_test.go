package sign

import "testing"

// Cheap makes keys whose password takes little time and memory.
func Cheap(t testing.TB) {
	old := own
	own = &cost{ops: 1 << 15, memory: 1 << 20}
	t.Cleanup(func() { own = old })
}

// Parameters are those of scrypt for what a key file says.
func Parameters(ops, memory uint64) [3]int {
	n, r, p := cost{ops, memory}.parameters()
	return [3]int{n, r, p}
}

// Own is the cost of the keys that drayage makes.
func Own() (ops, memory uint64) { return own.ops, own.memory }

var (
	MatchList    = matchList
	ParseSSH     = parseSSH
	ParseSigners = parseSigners
)

// CheckSSH is the check of the content of a signature.
func (k *Keys) CheckSSH(text, content []byte) (*Signed, error) {
	return k.checkSSH(text, content, "x.sig")
}
