package serve

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// listRepositories answers with the full names of all repositories.
func (x *exchange) listRepositories() *problem {
	all := x.catalog.repositories
	return x.list(len(all), func(i int) string { return all[i].Name }, `{"repositories":[`)
}

// listTags answers with the tags of a repository, under the name that was asked for.
func (x *exchange) listTags(r *Repository) *problem {
	asked := strings.TrimSuffix(strings.TrimPrefix(x.req.URL.Path, "/v2/"), "/tags/list")
	name := func(i int) string { return r.Tags[i].Name }
	return x.list(len(r.Tags), name, `{"name":"`+asked+`","tags":[`)
}

// list answers with a page of a sorted list, behind what stands before it in the document: n of what comes
// after last. Without n it is all of it.
func (x *exchange) list(end int, name func(int) string, before string) *problem {
	query := x.req.URL.Query()
	first := 0
	if last := query.Get("last"); last != "" {
		first = sort.Search(end, func(i int) bool { return name(i) > last })
	}
	if n, given := query["n"]; given {
		most, ok := pageSize(n[0])
		if !ok {
			return &problem{http.StatusBadRequest, codeNumberInvalid,
				fmt.Sprintf("n has to be a number, not %.50q", n[0]), nil}
		}
		if most < end-first {
			if end = first + most; most > 0 {
				query.Set("last", name(end-1))
				next := url.URL{Path: x.req.URL.Path, RawQuery: query.Encode()}
				x.w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
			}
		}
	}
	x.names(end-first, func(i int) string { return name(first + i) }, before)
	return nil
}

// names answers with the end of a document: a list of names, which need no quoting. They are sent as they are
// read, so that a long list takes no memory.
func (x *exchange) names(n int, name func(int) string, before string) {
	const after = "]}"
	size := len(before) + len(after) + max(n-1, 0)
	for i := range n {
		size += len(name(i)) + len(`""`)
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(size))
	x.Status = http.StatusOK
	x.w.WriteHeader(x.Status)
	if x.req.Method == http.MethodHead {
		return
	}
	part := append(make([]byte, 0, namesPart), before...)
	for i := 0; i < n && x.Err == nil; i++ {
		if i > 0 {
			part = append(part, ',')
		}
		part = append(append(append(part, '"'), name(i)...), '"')
		if len(part) > namesPart-maxPath-maxHost-len(`,"/"`) {
			x.sendPart(part)
			part = part[:0]
		}
	}
	if x.Err == nil {
		x.sendPart(append(part, after...))
	}
}

// namesPart is how much of a list is sent at once, in bytes.
const namesPart = 16 << 10

// pageSize reads the number of names that a client wants. One that is larger than an int means all.
func pageSize(n string) (int, bool) {
	if n == "" || strings.Trim(n, "0123456789") != "" {
		return 0, false
	}
	most, err := strconv.Atoi(n)
	if err != nil {
		most = math.MaxInt
	}
	return most, true
}
