package hostconfig

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultFiles(t *testing.T) {
	const (
		etc, home, xdg = "/etc", "/home/u", "/xdg"
		share          = "/usr/share"
	)
	in := func(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	conf := func(dir string, dirs ...string) RegistriesConf {
		c := RegistriesConf{File: in(dir, "containers/registries.conf")}
		for _, d := range dirs {
			c.Dirs = append(c.Dirs, in(d, "containers/registries.conf.d"))
		}
		return c
	}
	config := home + "/.config"
	for _, c := range []struct {
		name, goos, home string
		env              map[string]string
		want             Files
	}{
		{"Linux", "linux", home, nil, Files{
			ContainerdCerts: []string{in(config, "containerd/certs.d"), in(etc, "containerd/certs.d")},
			DockerCerts: []string{
				in(config, "containers/certs.d"), in(config, "docker/certs.d"), in(etc, "containers/certs.d"),
				in(etc, "docker/certs.d"),
			},
			RegistriesConf: []RegistriesConf{conf(config, config), conf(etc, share, etc, config),
				conf(share, share, etc, config)},
		}},
		{"XDG_CONFIG_HOME", "linux", home, map[string]string{"XDG_CONFIG_HOME": xdg}, Files{
			ContainerdCerts: []string{in(xdg, "containerd/certs.d"), in(etc, "containerd/certs.d")},
			DockerCerts: []string{
				in(xdg, "containers/certs.d"), in(xdg, "docker/certs.d"), in(etc, "containers/certs.d"),
				in(etc, "docker/certs.d"),
			},
			RegistriesConf: []RegistriesConf{conf(xdg, xdg), conf(etc, share, etc, xdg), conf(share, share, etc, xdg)},
		}},
		{"no home", "linux", "", nil, Files{
			ContainerdCerts: []string{in(etc, "containerd/certs.d")},
			DockerCerts:     []string{in(etc, "containers/certs.d"), in(etc, "docker/certs.d")},
			RegistriesConf:  []RegistriesConf{conf(etc, share, etc), conf(share, share, etc)},
		}},
		{"CONTAINERS_REGISTRIES_CONF", "linux", "",
			map[string]string{"CONTAINERS_REGISTRIES_CONF": "/x.conf", "REGISTRIES_CONFIG_PATH": "/y.conf"}, Files{
				ContainerdCerts: []string{in(etc, "containerd/certs.d")},
				DockerCerts:     []string{in(etc, "containers/certs.d"), in(etc, "docker/certs.d")},
				RegistriesConf:  []RegistriesConf{{File: "/x.conf", Dirs: conf(etc, share, etc).Dirs, Required: true}},
			}},
		{"macOS", "darwin", home, map[string]string{"REGISTRIES_CONFIG_PATH": "/y.conf"}, Files{
			ContainerdCerts: []string{in(config, "containerd/certs.d"), in(etc, "containerd/certs.d")},
			DockerCerts: []string{
				in(config, "containers/certs.d"), in(config, "docker/certs.d"), in(home, ".docker/certs.d"),
				in(etc, "containers/certs.d"), in(etc, "docker/certs.d"),
			},
			RegistriesConf: []RegistriesConf{{File: "/y.conf", Dirs: conf(etc, share, etc, config).Dirs,
				Required: true}},
		}},
		{"Windows", "windows", `/users/u`, map[string]string{"ProgramData": "/pd", "ProgramFiles": "/pf"}, Files{
			ContainerdCerts: []string{in("/users/u/.config", "containerd/certs.d"), in("/pf", "containerd/certs.d")},
			DockerCerts: []string{
				in("/users/u/.config", "containers/certs.d"), in("/users/u/.config", "docker/certs.d"),
				in("/users/u", ".docker/certs.d"),
				in("/pd", "containers/certs.d"), in("/pd", "docker/certs.d"),
			},
			RegistriesConf: []RegistriesConf{
				conf("/users/u/.config", "/users/u/.config"),
				conf("/pd", "/pd", "/users/u/.config"),
			},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := places{c.goos, c.home, func(name string) string { return c.env[name] }}.files()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// TestDefaultFilesFollowTheEnvironment: the real function takes home and variables from the process.
func TestDefaultFilesFollowTheEnvironment(t *testing.T) {
	config, chosen := t.TempDir(), filepath.Join(t.TempDir(), "r.conf")
	t.Setenv("XDG_CONFIG_HOME", config)
	t.Setenv("CONTAINERS_REGISTRIES_CONF", chosen)
	files := DefaultFiles()
	if got := files.RegistriesConf; len(got) != 1 || got[0].File != chosen || !got[0].Required {
		t.Errorf("registries.conf: got %+v, want %s", got, chosen)
	}
	if got, want := files.ContainerdCerts[0], filepath.Join(config, "containerd", "certs.d"); got != want {
		t.Errorf("certs.d: got %s first, want %s", got, want)
	}
}
