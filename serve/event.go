package serve

import (
	"net/http"
	"time"
)

// Event is a request that has been answered, or has ended otherwise.
type Event struct {
	Method     string
	What       What
	Repository string // in full, or as it was asked for if there is none
	Reference  string // the tag or digest that was asked for; the subject of referrers
	Status     int    // of the answer, even if it was cut off
	Bytes      int64  // of the body that were sent
	Start      time.Time
	Duration   time.Duration
	Remote     string // the address that asked
	User       string // of Basic authentication
	UserAgent  string

	// Request is the request itself, for what is not said here. Who is told of the event must not keep it.
	Request *http.Request

	// Err is why the answer is not what was asked for, if that is no fault of the request: bytes that are wrong
	// or cannot be read, a blob that is absent on purpose (an [image.Absent]), or a client that has gone away
	// (context.Canceled).
	Err error
	// Cut is set if the answer broke off.
	Cut bool
}

// What says what a request is about.
type What string

// What requests are about.
const (
	WhatBase      What = "base" // /v2/, by which clients find out that there is a registry
	WhatManifest  What = "manifest"
	WhatBlob      What = "blob"
	WhatTags      What = "tags"
	WhatCatalog   What = "catalog"
	WhatReferrers What = "referrers"
	WhatOther     What = "other"
)
