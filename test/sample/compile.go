package sample

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

//go:embed hello/main.go
var helloSource []byte

// programs keeps what was compiled in this process, by platform name.
var programs struct {
	sync.Mutex
	built map[string][]byte
}

// compile builds the program in a temporary module of its own, so that neither the working directory nor the
// paths of this machine matter.
func compile(ctx context.Context, platform v1.Platform) ([]byte, error) {
	programs.Lock()
	defer programs.Unlock()
	name := Name(platform)
	if program, ok := programs.built[name]; ok {
		return program, nil
	}
	dir, err := os.MkdirTemp("", "drayage-hello-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), helloSource, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module hello\n"), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X 'main.platform="+name+"'", "-o", "hello", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), buildEnv(platform)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build of hello for %s: %v\n%s", name, err, bytes.TrimSpace(out))
	}
	program, err := os.ReadFile(filepath.Join(dir, "hello"))
	if err != nil {
		return nil, err
	}
	if programs.built == nil {
		programs.built = map[string][]byte{}
	}
	programs.built[name] = program
	return program, nil
}

// buildEnv pins every setting of the user's that would change the bytes.
func buildEnv(platform v1.Platform) []string {
	env := []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0",
		"GOFIPS140=off",
		"GOOS=" + platform.OS, "GOARCH=" + platform.Architecture}
	if platform.Architecture == "arm" {
		env = append(env, "GOARM="+strings.TrimPrefix(platform.Variant, "v"))
	}
	return env
}
