package registry3

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/configuration"
	"golang.org/x/crypto/bcrypt"
)

// authenticate adds the authentication that the options ask for. Distribution reads both kinds of secret from
// files.
func (s *Server) authenticate(config *configuration.Configuration, opts Options) (err error) {
	if opts.User != "" && opts.Token != nil {
		return errors.New("options User and Token exclude each other")
	}
	if opts.User == "" && opts.Token == nil {
		return nil
	}
	if s.authDir, err = os.MkdirTemp("", "drayage-registry3-"); err != nil {
		return err
	}
	if opts.Token != nil {
		jwks := filepath.Join(s.authDir, "jwks.json")
		config.Auth = configuration.Auth{"token": configuration.Parameters{
			"realm":   opts.Token.Realm(),
			"service": opts.Token.Service(),
			"issuer":  opts.Token.Issuer(),
			"jwks":    jwks,
		}}
		return os.WriteFile(jwks, opts.Token.JWKS(), 0o600)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(opts.Password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	passwords := filepath.Join(s.authDir, "htpasswd")
	config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{
		"realm": "drayage test registry",
		"path":  passwords,
	}}
	return os.WriteFile(passwords, []byte(opts.User+":"+string(hash)+"\n"), 0o600)
}
