//go:build linux

package bench

import (
	"context"
	"errors"
)

const trusting = "drayage --reuse trust"

// pushRebuilt pushes an image in a docker tar whose base the repository has in another image, as its maker
// compressed it. No tool has anything in its caches.
func pushRebuilt(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "twenty")
	if err != nil {
		return nil, nil, err
	}
	file, err := d.dockerTar(ctx, d.Images[1])
	if err != nil {
		return nil, nil, err
	}
	trust := pusher{tool: trusting, commands: func(to, _ string) [][]string {
		return [][]string{e.drayage("push", file, to, "--reuse", "trust")}
	}}
	all := append([]pusher{e.settings(file)[0], trust}, e.tarPushers(file, d.Images[1])...)
	contenders := e.pushes(d.Images[1], false, all...)
	for i := range contenders {
		if inner := contenders[i].task; inner != nil {
			contenders[i].task = func(ctx context.Context, r *round) (task, error) { return onBase(ctx, r, inner, d) }
		}
	}
	return contenders, nil, nil
}

// onBase gives the registry the first image of a data set before the measured command.
func onBase(
	ctx context.Context, r *round, inner func(context.Context, *round) (task, error), d *dataset,
) (task, error) {
	t, err := inner(ctx, r)
	if err != nil {
		return t, err
	}
	s, ok := t.registry.(*server)
	if !ok {
		return t, errors.New("the registry is not one of this program")
	}
	t.before = func(ctx context.Context) error { return d.push(ctx, d.Images[0], "http://"+s.addr) }
	return t, nil
}
