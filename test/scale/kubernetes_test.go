package scale

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifests = "../../docs/kubernetes"

// variants are the directories for kubectl apply -k.
func variants(t *testing.T) (dirs []string) {
	t.Helper()
	all, err := filepath.Glob(manifests + "/*/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if dir := filepath.Dir(path); filepath.Base(dir) != "base" {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) < 2 {
		t.Fatalf("there are manifests in %v only", dirs)
	}
	return dirs
}

// built is what kubectl apply -k would send.
func built(t *testing.T, dir string) (objects []any) {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all.Resources() {
		raw, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		o, err := decoded(raw)
		if err != nil {
			t.Errorf("%s: %v", r.CurId(), err)
		}
		objects = append(objects, o)
	}
	return objects
}

// decoded reads a manifest by the types of the API. A field that is not among theirs is an error.
func decoded(raw []byte) (any, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(raw, &kind); err != nil {
		return nil, err
	}
	o := map[metav1.TypeMeta]any{
		{APIVersion: "batch/v1", Kind: "Job"}:                       &batchv1.Job{},
		{APIVersion: "apps/v1", Kind: "Deployment"}:                 &appsv1.Deployment{},
		{APIVersion: "v1", Kind: "Service"}:                         &corev1.Service{},
		{APIVersion: "v1", Kind: "ServiceAccount"}:                  &corev1.ServiceAccount{},
		{APIVersion: "v1", Kind: "ConfigMap"}:                       &corev1.ConfigMap{},
		{APIVersion: "v1", Kind: "Secret"}:                          &corev1.Secret{},
		{APIVersion: "v1", Kind: "Namespace"}:                       &corev1.Namespace{},
		{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}: &networkingv1.NetworkPolicy{},
	}[kind]
	if o == nil {
		return nil, fmt.Errorf("there is no %s %s here", kind.APIVersion, kind.Kind)
	}
	return o, yaml.UnmarshalStrict(raw, o)
}

// TestFilesAreDecoded reads every file in docs/kubernetes as it lies there.
func TestFilesAreDecoded(t *testing.T) {
	n := 0
	err := filepath.WalkDir(manifests, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" || filepath.Base(path) == "kustomization.yaml" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, doc := range bytes.Split(raw, []byte("\n---\n")) {
			if _, err := decoded(doc); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			n++
		}
		return nil
	})
	if err != nil || n < 5 {
		t.Errorf("%d manifests: %v", n, err)
	}
	if _, err := decoded([]byte("apiVersion: batch/v1\nkind: Job\nspec: {completion: 8}\n")); err == nil {
		t.Error("a field that does not exist is no error")
	}
}

// TestPodsHaveTheLeastRights looks at all pods that the manifests make.
func TestPodsHaveTheLeastRights(t *testing.T) {
	for _, dir := range variants(t) {
		pods := 0
		for _, o := range built(t, dir) {
			var pod corev1.PodSpec
			switch o := o.(type) {
			case *batchv1.Job:
				pod = o.Spec.Template.Spec
			case *appsv1.Deployment:
				pod = o.Spec.Template.Spec
			default:
				continue
			}
			pods++
			for _, fault := range tooMuch(pod) {
				t.Errorf("%s: %s", dir, fault)
			}
		}
		if pods != 1 {
			t.Errorf("%s: %d kinds of pods", dir, pods)
		}
	}
}

// tooMuch lists what a pod may do and need not.
func tooMuch(pod corev1.PodSpec) (faults []string) {
	need := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	need(is(pod.AutomountServiceAccountToken, false), "it gets a token of the cluster")
	need(pod.ServiceAccountName == "drayage", "it runs as another service account")
	s := pod.SecurityContext
	need(s != nil && is(s.RunAsNonRoot, true) && s.RunAsUser != nil && *s.RunAsUser > 0, "it may be root")
	need(s != nil && s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"it has no seccomp profile")
	for _, v := range pod.Volumes {
		need(v.EmptyDir == nil || v.EmptyDir.SizeLimit != nil, "volume "+v.Name+" has no limit")
		need(v.HostPath == nil, "volume "+v.Name+" is of the host")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		need(s != nil && is(s.AllowPrivilegeEscalation, false), "it may get more rights")
		need(s != nil && is(s.ReadOnlyRootFilesystem, true), "it may write into its image")
		need(s != nil && s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) &&
			len(s.Capabilities.Add) == 0, "it has capabilities")
		need(!c.Resources.Limits.Memory().IsZero() && !c.Resources.Requests.Cpu().IsZero(), "it has no limits")
		for _, m := range c.VolumeMounts {
			need(m.ReadOnly || m.MountPath == "/tmp", m.MountPath+" can be written")
		}
	}
	return faults
}

// jobs are the Jobs of all variants.
func jobs(t *testing.T) map[string]*batchv1.Job {
	all := map[string]*batchv1.Job{}
	for _, dir := range variants(t) {
		for _, o := range built(t, dir) {
			if j, ok := o.(*batchv1.Job); ok {
				all[filepath.Base(dir)] = j
			}
		}
	}
	return all
}

// TestJobsAgreeWithTheCommand checks what the API does not: that as many pods run as there are shards, and
// that exit codes mean what they mean.
func TestJobsAgreeWithTheCommand(t *testing.T) {
	all := jobs(t)
	if len(all) != 2 {
		t.Fatalf("there are %d Jobs", len(all))
	}
	for name, j := range all {
		args := j.Spec.Template.Spec.Containers[0].Args
		shards := fmt.Sprintf("--shard=%d", *j.Spec.Completions)
		if *j.Spec.CompletionMode != batchv1.IndexedCompletion || !slices.Contains(args, shards) {
			t.Errorf("%s: %d completions with %v", name, *j.Spec.Completions, args)
		}
		if j.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever || j.Spec.BackoffLimitPerIndex == nil {
			t.Errorf("%s: podFailurePolicy and FailIndex need restartPolicy Never and backoffLimitPerIndex", name)
		}
		codes := map[int32]batchv1.PodFailurePolicyAction{}
		for _, r := range j.Spec.PodFailurePolicy.Rules {
			if r.OnExitCodes != nil {
				for _, c := range r.OnExitCodes.Values {
					codes[c] = r.Action
				}
			}
		}
		want := map[int32]batchv1.PodFailurePolicyAction{2: batchv1.PodFailurePolicyActionFailJob,
			4: batchv1.PodFailurePolicyActionFailJob, 3: batchv1.PodFailurePolicyActionFailIndex,
			6: batchv1.PodFailurePolicyActionFailIndex}
		if fmt.Sprint(codes) != fmt.Sprint(want) {
			t.Errorf("%s: exit codes %v, want %v", name, codes, want)
		}
	}
}

// TestJobsFillARegistry runs the command lines of the Jobs as so many processes, with the files of their
// volumes.
func TestJobsFillARegistry(t *testing.T) {
	for name, j := range jobs(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 40)
			list := filepath.Join(w.Dir, "images.txt")
			logins := filepath.Join(w.Dir, ".dockerconfigjson")
			prefix := "mirror/"
			if err := os.WriteFile(logins, []byte(`{"auths": {}}`), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "copy" {
				w.run(2, "push images HOST/old/ --shard 2")
				w.list(list, "old/")
				prefix = "mirror/old/"
				w.empty()
			}
			pod := j.Spec.Template.Spec.Containers[0]
			here := strings.NewReplacer("registry.corp/", w.reg.Addr()+"/", "/etc/drayage/list/images.txt", list,
				"/etc/drayage/logins/.dockerconfigjson", logins, "/images", filepath.Join(w.Dir, "images"))
			var args []string
			for _, a := range pod.Args {
				args = append(args, here.Replace(a))
			}
			for _, e := range pod.Env {
				if e.Name != "HOME" && e.Name != "TMPDIR" {
					w.Env = append(w.Env, e.Name+"="+e.Value)
				}
			}
			all, err := w.Fleet.Run(t.Context(), int(*j.Spec.Completions), args)
			if err == nil {
				err = Failed(all)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.complete(prefix)
			for i, p := range all {
				if want := "shard " + strconv.Itoa(i+1) + " of 8: "; !strings.Contains(p.Stderr, want) {
					t.Errorf("pod %d does not say %q:\n%s", i, want, p.Stderr)
				}
			}
		})
	}
}
