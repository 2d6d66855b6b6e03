package registry

import "encoding/base64"

// Credential is what a user logs in to a registry with. The zero value is anonymous.
type Credential struct {
	Username      string
	Password      string
	IdentityToken string // exchanged for short-lived tokens instead of a password
	RegistryToken string // sent to a registry that wants tokens, instead of one that is asked for
}

func basicAuth(c Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}
