package tables

import (
	"strings"
	"testing"
)

func TestTablesOfNarrowTerminals(t *testing.T) {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}, {"mirror", "https://mirror.corp", "DRAYAGE_MIRROR"}}
	for width, want := range map[int]string{
		0:  "SETTING  VALUE                FROM\nmirror   https://mirror.corp  DRAYAGE_MIRROR\n",
		44: "SETTING  VALUE                FROM\nmirror   https://mirror.corp  DRAYAGE_MIRROR\n",
		40: "SETTING\n  VALUE  FROM\nmirror\n  https://mirror.corp  DRAYAGE_MIRROR\n",
	} {
		var b strings.Builder
		p := &Printer{W: &b, Width: width}
		if p.Table(rows); b.String() != want || p.Err != nil {
			t.Errorf("%d columns: %q, %v, want %q", width, b.String(), p.Err, want)
		}
	}
}
