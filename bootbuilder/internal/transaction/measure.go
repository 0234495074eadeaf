package transaction

import (
	"path"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// account is the account of a file system; measure has opened it.
func (p *planner) account(fsys esp.FS) *account {
	for _, a := range p.accounts {
		if a.fsys == fsys {
			return a
		}
	}
	return &account{fsys: fsys}
}

// measure holds what the change takes against the disk space, and decides whether what is stale goes first.
func (p *planner) measure() error {
	c := &p.change
	for _, fsys := range []esp.FS{c.Boot, c.ESP} {
		if fsys == nil || slices.ContainsFunc(p.accounts, func(a *account) bool { return a.fsys == fsys }) {
			continue
		}
		space, err := fsys.Space()
		if err != nil {
			return hinted(err, fsys)
		}
		p.accounts = append(p.accounts, &account{fsys: fsys, space: space})
	}
	if err := p.book(); err != nil {
		return err
	}
	for _, a := range p.accounts {
		if a.needed == 0 {
			continue
		}
		switch a.verdict(c.BootsWithoutStale) {
		case fitsMaybe:
			p.unsure = true
		case fitsLater:
			p.first = true
		case fitsMaybeThen:
			p.first, p.unsure = true, true
		case fitsNever:
			return a.err(c.BootsWithoutStale)
		}
	}
	return nil
}

// book fills the accounts.
func (p *planner) book() error {
	c := &p.change
	growth := make(map[Place]int64) // of each directory, in slots
	for _, t := range p.targets {
		a := p.account(t.FS)
		dir := Place{t.FS, path.Dir(t.Name)}
		switch {
		case t.made:
			a.add(t.Name, t.Size)
			growth[dir] += slots(t.Name)
		default: // in place, or beside itself
			if _, grow, ok := Fit(t.old, t.Text); !ok || a.space.Rounded(int64(grow)) != a.space.Rounded(int64(len(t.old))) {
				a.add(t.Name, t.Size)
				growth[dir] += slots(esp.StagedName(0))
			}
		}
	}
	if l := c.LoaderConf; l != nil {
		a := p.account(l.FS)
		if _, grow, ok := Fit(l.Before, l.After); l.After != nil && (l.Before == nil || !ok || a.space.Rounded(int64(grow)) > a.space.Rounded(int64(len(l.Before)))) {
			a.needed += a.space.Rounded(int64(max(len(l.After), len(l.Before)))) // a new one, or one beside it
		}
	}
	for _, dir := range p.missing {
		a := p.account(dir.FS)
		a.needed += a.space.Rounded(p.directorySize(dir))
		a.needed += a.space.Cluster // the one around it
		growth[Place{dir.FS, path.Dir(dir.Name)}] += slots(dir.Name) + 1
	}
	for dir, n := range growth {
		if !slices.Contains(p.missing, dir) {
			p.account(dir.FS).needed += p.account(dir.FS).space.Rounded(n * slotSize)
		}
	}
	planned := make(map[Place]int64)
	for _, t := range p.targets {
		planned[t.Place] = t.Size
	}
	for _, d := range p.drops {
		info, err := d.FS.Stat(d.Name)
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		a := p.account(d.FS)
		a.freed += a.space.Rounded(info.Size())
		if size, ok := planned[d]; ok {
			a.hidden += max(0, a.space.Rounded(size)-a.space.Rounded(info.Size()))
		} else if info.Size() == 0 {
			a.lost = true
		}
	}
	p.heads = make(map[Place]int64)
	for _, s := range slices.Concat(c.StaleEntries, c.StaleImages, c.StalePayload) {
		info, err := s.FS.Stat(s.Name)
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		a := p.account(s.FS)
		p.heads[s] = info.Size()
		a.stale += a.space.Rounded(info.Size())
		if info.Size() == 0 {
			a.lost = true
			p.empty = append(p.empty, s)
		}
	}
	return nil
}
