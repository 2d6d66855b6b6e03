// Package engineconfig makes a [registry.Client] behave as docker, podman and containerd do on the same machine. It
// reads the files in which these engines keep how a registry is reached and what their users log in with.
//
// [NewClient] returns a client with both. [Hosts] and [Logins] are its two halves, for callers who want one of them
// only. Nothing is read before a registry is talked to, and nothing is ever written.
package engineconfig

import "drayage/registry"

// NewClient returns a client that reaches registries as hosts says and logs in with what logins finds. Either may be
// nil, which means its zero value. The caller may set other fields of the client before its first use.
func NewClient(hosts *Hosts, logins *Logins) *registry.Client {
	if hosts == nil {
		hosts = &Hosts{}
	}
	if logins == nil {
		logins = &Logins{}
	}
	return &registry.Client{
		Transport:   hosts.limited(registry.NewTransport(hosts.TLS)),
		Endpoints:   hosts.Endpoints,
		Credentials: logins.Credential,
		PlainHTTP:   hosts.PlainHTTP,
	}
}
