package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// engineTimeout bounds the question whether there is an engine: a dead remote DOCKER_HOST would hold it for
// minutes.
const engineTimeout = 5 * time.Second

// runInEngine loads the tar into Docker and runs it, where there is a Docker. It leaves nothing in the
// engine.
func (d *demo) runInEngine(ctx context.Context) error {
	d.heading("Run the image from the tar, if there is an engine")
	docker, platform, reason := d.engine(ctx)
	if reason != "" {
		d.say("   skipped: %s", reason)
		return ctx.Err()
	}
	if want := d.platform.OS + "/" + d.platform.Architecture; platform != want {
		d.say("   skipped: the engine runs %s, the tar is for %s", platform, want)
		return nil
	}
	defer func() { // also after an interrupt
		d.tool(context.WithoutCancel(ctx), docker, "image", "rm", d.sourceRef()).Run()
	}()
	if err := d.show("docker", d.tool(ctx, docker, "load", "-i", tarFile)); err != nil {
		return err
	}
	cmd := d.tool(ctx, docker, "run", "--rm", "--network", "none", d.sourceRef())
	d.say("\n   $ docker %s", strings.Join(cmd.Args[1:], " "))
	printed, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("docker run: %v: %s", err, bytes.TrimSpace(printed))
	}
	line := strings.TrimSpace(string(printed))
	d.say("   %s", line)
	if line != d.platform.Output {
		return fmt.Errorf("the container printed %q, want %q", line, d.platform.Output)
	}
	d.passed("the image runs")
	return nil
}

// engine returns the docker client and the engine's platform, or the reason why there is none.
func (d *demo) engine(ctx context.Context) (docker, platform, reason string) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return "", "", "no docker command is installed"
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	cmd := d.tool(ctx, docker, "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", "", "docker is installed, but no engine answered"
	}
	return docker, strings.TrimSpace(string(out)), ""
}
