// Package engines gives the files that drayage mirrors writes to the code of container engines: the resolvers
// of containerd 1.7 and 2, and the reader of registries.yaml that k3s and RKE2 have. It is a module of its
// own, because nothing else here needs so many modules. The engines themselves pull in test/interop.
package engines
