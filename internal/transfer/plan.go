package transfer

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// Plan is the union of the jobs that several users need: each job once, by its key. A user, such as an
// image, is complete when all its jobs are done. First users are entered, each followed by its jobs, then
// Begin is called, then Done for each job. The methods are called by one goroutine at a time. Users may be
// called at any time after Begin.
type Plan[K, U comparable] struct {
	jobs     []Job[K]
	at       map[K]int // in jobs
	users    map[K][]U
	all      []U
	waiting  map[U]*outcome
	complete func(U, error)
}

// outcome is what is known of a user so far.
type outcome struct {
	missing int
	err     error // of the first job that failed
}

// NewPlan returns a plan of nothing.
func NewPlan[K, U comparable]() *Plan[K, U] {
	return &Plan[K, U]{at: map[K]int{}, users: map[K][]U{}, waiting: map[U]*outcome{}}
}

// Enter makes a user known. It may turn out to need nothing.
func (p *Plan[K, U]) Enter(u U) {
	p.all = append(p.all, u)
	p.waiting[u] = &outcome{}
}

// Add makes the user who was entered last need a job. If the plan has a job with that key, the user needs
// that one.
func (p *Plan[K, U]) Add(u U, j Job[K]) {
	if _, ok := p.at[j.Key]; !ok {
		p.at[j.Key] = len(p.jobs)
		p.jobs = append(p.jobs, j)
	}
	if users := p.users[j.Key]; len(users) == 0 || users[len(users)-1] != u {
		p.users[j.Key] = append(users, u)
		p.waiting[u].missing++
	}
}

// Job returns the job with a key, or nil if there is none. It can be changed before the next Add.
func (p *Plan[K, U]) Job(key K) *Job[K] {
	if i, ok := p.at[key]; ok {
		return &p.jobs[i]
	}
	return nil
}

// Jobs returns all jobs in the order in which they were added.
func (p *Plan[K, U]) Jobs() []Job[K] { return p.jobs }

// Blobs returns the blobs of all jobs.
func (p *Plan[K, U]) Blobs() []v1.Descriptor {
	all := make([]v1.Descriptor, len(p.jobs))
	for i, j := range p.jobs {
		all[i] = j.Blob
	}
	return all
}

// Users returns who needs the job with a key.
func (p *Plan[K, U]) Users(key K) []U { return p.users[key] }

// Hold keeps all users from being complete until Release.
func (p *Plan[K, U]) Hold() {
	for _, u := range p.all {
		p.waiting[u].missing++
	}
}

// Release ends Hold. With an error all users fail.
func (p *Plan[K, U]) Release(err error) {
	for _, u := range p.all {
		p.done(u, err)
	}
}

// Begin makes the plan call complete for each user as soon as all its jobs are done, with the error of the
// first one that failed. It does so at once for users who need nothing.
func (p *Plan[K, U]) Begin(complete func(U, error)) {
	p.complete = complete
	for _, u := range p.all {
		if p.waiting[u].missing == 0 {
			complete(u, nil)
		}
	}
}

// Done takes the outcome of a job, as [Run] tells it.
func (p *Plan[K, U]) Done(j Job[K], err error) {
	for _, u := range p.users[j.Key] {
		p.done(u, err)
	}
}

func (p *Plan[K, U]) done(u U, err error) {
	o := p.waiting[u]
	if o.err == nil {
		o.err = err
	}
	if o.missing--; o.missing == 0 {
		p.complete(u, o.err)
	}
}
