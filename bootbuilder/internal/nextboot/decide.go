package nextboot

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// newLoaderConf is what a loader.conf starts from that has to be made offline:
// systemd-boot-builder writes the same time-out by default.
const newLoaderConf = "timeout 5\n"

// Decide finds the generation that NixOS' own choice means, and makes loader.conf start what the policy wants of it.
func Decide(in Input) Decision {
	p := &planner{
		in:       in,
		r:        newResolver(in),
		variants: in.Version.behaviours(),
		conf:     esp.ParseLoaderConf(in.Conf),
		made:     in.Conf != nil,
		d:        Decision{Default: -1, Trial: -1},
	}
	p.menus = p.r.afters
	p.d.Before = startsIn(in.Conf, in.Vars, p.variants, p.r.befores)
	p.plan()
	p.finish()
	return p.d
}

// planner is a decision while it is made.
type planner struct {
	in       Input
	r        *resolver
	variants []behaviour // of the installed systemd-boot, the most likely first
	menus    [][]row     // the entries to come, as each of the variants orders them
	conf     *esp.LoaderConf
	made     bool // there is a loader.conf, or one has to be written
	g        int  // the generation that NixOS' choice means
	d        Decision
}

func (p *planner) warn(code Code, hint, format string, args ...any) {
	p.d.Warnings = append(p.d.Warnings, Warning{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *planner) plan() {
	if p.in.Undecided {
		return
	}
	var foreign bool
	p.g, foreign = p.r.chosen(p.in)
	if foreign && p.start(0).Entry.Kind.Ours() { // as `*` does once there is an entry of ours
		p.g, foreign = p.r.newest(), false
	}
	if 0 <= p.g && p.g < len(p.in.Generations) {
		p.d.Default = p.g
		p.d.DefaultFailed = p.in.Generations[p.g].Failed
		if p.d.DefaultFailed {
			p.warn(DefaultFailed, "", "%s is the default and its Xen entry could not be built", p.name(p.g))
		}
	}
	switch {
	case foreign:
		p.foreign()
	case p.g >= 0:
		p.detour()
		if !p.made && p.in.FromProfiles {
			p.conf, p.made = esp.ParseLoaderConf([]byte(newLoaderConf)), true
		}
		p.apply()
	}
	p.disarm()
	p.forget()
	p.mend()
}

// foreign: loader.conf starts what is not ours.
func (p *planner) foreign() {
	p.d.Detour.Possible = true
	p.g = p.r.newest()
	if p.in.Policy != Keep && !p.in.Remove {
		p.warn(HandWritten, "name a NixOS entry there, or none, for the default to follow NixOS",
			"loader.conf names an entry that neither NixOS nor xen-boot-builder made: the default stays as it is")
	}
}

// apply is the policy.
func (p *planner) apply() {
	x, hasXen := p.r.xen(p.g)
	bad := p.r.bad(p.g)
	failed := p.r.gens[p.g].Failed
	may := hasXen && !failed && !bad && !p.in.Refused && !p.in.Remove
	if p.in.Refused && hasXen && p.in.Policy != PreferNixOS {
		p.warn(SecureBootRefuses, "give it the key with --sign-key and --sign-cert, and --layout unified",
			"Secure Boot is on and would refuse the Xen image: the default is NixOS")
	}
	if bad && hasXen && p.in.Policy != PreferNixOS && !p.in.Remove {
		p.warn(DefaultBad, "", "boot counting has given up %s: the default stays with NixOS", p.name(p.g))
	}
	switch p.in.Policy {
	case PreferXen:
		if may {
			p.startXen(x)
			return
		}
	case Keep:
		g, what, value := p.current()
		if lit, ok := literal(value); what == xenValue && g == p.g && hasXen && !p.in.Refused && !p.in.Remove &&
			(may || ok && named(lit, x, true)) {
			p.keepXen(x)
			return
		}
	case Trial:
		if p.trial(x, may) {
			return
		}
	}
	p.startNixOS()
}

// current says what the key that decides stands for, and which generation that is.
func (p *planner) current() (int, meaning, string) {
	found, text := nothing, ""
	for _, key := range p.r.keys() {
		value, ok := p.conf.Get(key)
		if g, what := p.r.means(value, ok); g >= 0 || what == xenValue || what == saved {
			return g, what, value
		} else if found == nothing {
			found, text = what, value
		}
	}
	return -1, found, text
}

// start is what systemd-boot would start with loader.conf as it is planned, variables aside but for
// the one that @saved stands for.
func (p *planner) start(variant int) Start {
	return p.variants[variant].starts(p.conf, Vars{LastBooted: p.in.Vars.LastBooted}, p.menus[variant])
}

// startNow is what systemd-boot starts as things are, variables aside.
func (p *planner) startNow() Start {
	return p.r.main.starts(esp.ParseLoaderConf(p.in.Conf), Vars{LastBooted: p.in.Vars.LastBooted}, p.r.before)
}

// all reports whether what starts is right in every version that may be installed.
func (p *planner) all(right func(Start) bool) bool {
	for i := range p.variants {
		if !right(p.start(i)) {
			return false
		}
	}
	return true
}

// startXen makes loader.conf name a Xen entry exactly.
func (p *planner) startXen(x Entry) {
	is := func(s Start) bool { return s.Entry.File == x.File && s.Entry.Kind == x.Kind }
	_, what, value := p.current()
	switch what {
	case nothing, saved:
		// What starts by its place in the menu, or because it was started last, may stay.
		mayStay := !p.in.FromProfiles || p.in.Policy == Keep || what == saved
		if p.all(is) && mayStay || what == saved && p.lastBooted() {
			return
		}
	case nixosValue, xenValue:
		named := func(s Start) bool { return is(s) && s.By != First && s.Value == value }
		if _, ok := literal(value); ok && p.all(named) && !p.needsPreferred(x) {
			p.fallback()
			return
		}
	}
	p.nameXen(x)
}

// keepXen leaves loader.conf alone where it starts the Xen entry already.
func (p *planner) keepXen(x Entry) {
	if !p.all(func(s Start) bool { return s.Entry.File == x.File && s.By != First }) {
		p.nameXen(x)
	}
}

// lastBooted reports whether @saved stands for an entry that is there.
func (p *planner) lastBooted() bool {
	return p.start(0).By == DefaultKey || p.start(0).By == PreferredKey
}

// needsPreferred reports whether a Xen entry falls back only where preferred names it: systemd-boot 260 and later pass
// over it there once its tries are used up, while default goes on starting it.
func (p *planner) needsPreferred(x Entry) bool {
	_, has := p.conf.Get("preferred")
	return x.Tries() != nil && p.in.Version.Major >= 260 && !has
}

// nameXen makes the key that decides name a Xen entry.
func (p *planner) nameXen(x Entry) {
	_, has := p.conf.Get("preferred")
	switch {
	case p.needsPreferred(x), has && p.r.main.knowsPreferred:
		p.set("preferred", ValueFor(x))
		p.fallback()
	case has: // not known to this systemd-boot, but to the next one
		p.set("preferred", ValueFor(x))
		p.set("default", ValueFor(x))
	default:
		p.set("default", ValueFor(x))
	}
	n, hasNixOS := p.r.nixos(p.g, p.r.after)
	switch {
	case !hasNixOS || n.Tries() == nil:
	case x.Kind == XenEntry:
		p.warn(NotCounted, "--default try starts a new Xen entry once, and NixOS after that; --layout unified is counted",
			"boot counting does not cover %s: systemd-boot counts images of type #2 only", x.File)
	case x.Tries() != nil && slices.ContainsFunc(p.variants, func(b behaviour) bool { return !b.counterInID && !b.knowsPreferred }):
		p.warn(NoFallback, "systemd-boot 260 and later pass over it; so does --default try",
			"systemd-boot %v goes on starting %s once its tries are used up", p.in.Version, x.File)
	}
}

// fallback keeps default on NixOS beside preferred: it is what starts once counting has given up what preferred names.
func (p *planner) fallback() {
	if _, has := p.conf.Get("preferred"); !has || !p.r.main.knowsPreferred {
		return
	}
	value, ok := p.conf.Get("default")
	if _, what := p.r.means(value, ok); what != xenValue && what != dangling && what != nothing {
		return
	}
	if n, ok := p.r.nixos(p.g, p.r.after); ok {
		p.set("default", ValueFor(n))
	}
}

// startNixOS makes loader.conf start the NixOS entry of the default generation.
func (p *planner) startNixOS() {
	n, ok := p.r.nixos(p.g, p.r.after)
	if !ok {
		p.noNixOS()
		return
	}
	_, what, _ := p.current()
	right := func(s Start) bool { return s.Entry.File == n.File && s.Entry.Kind == n.Kind }
	if n.Bad() {
		// NixOS' own loader.conf falls back from it as NixOS wants, or starts it all the same.
		right = func(s Start) bool { return s.Entry.Kind.NixOS() && s.Entry.starts() }
	}
	if what == saved && p.in.Policy == Keep && p.lastBooted() && !p.in.Refused && !p.in.Remove && p.start(0).Entry.starts() {
		return // somebody chose it in the menu
	}
	if what == saved && p.lastBooted() && p.all(func(s Start) bool { return !s.Entry.Kind.Ours() && s.Entry.starts() }) {
		return
	}
	if p.all(right) && !p.namesOurs() {
		return
	}
	lenient := p.in.Policy == Keep || p.in.Policy == PreferNixOS || p.in.Remove
	if lenient && (what == nothing || what == saved) && !p.in.FromProfiles &&
		p.all(func(s Start) bool { return !s.Entry.Kind.Ours() && s.Entry.starts() }) {
		return // what starts by its place in the menu may go on doing so
	}
	now, then := p.startNow(), p.start(0)
	if now.By == First && now.Entry.Kind.Ours() || what != xenValue && then.By == First && then.Entry.Kind.Ours() {
		p.warn(NixOSWritten, "", "loader.conf names no entry that is there, and Xen's comes first in the menu: %s is written as the default", n.File)
	}
	value := ValueFor(n)
	preferred, hasPreferred := p.conf.Get("preferred")
	if _, what := p.r.means(preferred, hasPreferred); what == xenValue && n.Kind == Stub {
		p.conf.Unset("preferred") // Lanzaboote never writes one: it is ours
		if p.all(right) && !p.namesOurs() {
			return
		}
		hasPreferred = false
	}
	switch {
	case hasPreferred && p.r.main.knowsPreferred:
		p.set("preferred", value)
		p.giveBackDefault(value)
		if n.Bad() && !p.all(right) { // what NixOS falls back to can't start
			if good, ok := p.firstGood(); ok {
				value = ValueFor(good)
			}
			p.set("default", value)
		}
	case hasPreferred:
		p.set("preferred", value)
		p.set("default", value)
	default:
		p.set("default", value)
	}
}

// giveBackDefault makes default name NixOS beside preferred where it names Xen, or nothing.
func (p *planner) giveBackDefault(value string) {
	v, ok := p.conf.Get("default")
	if !ok {
		return
	}
	if _, what := p.r.means(v, ok); what == xenValue || what == dangling {
		p.set("default", value)
	}
}

// namesOurs reports whether a key of loader.conf names a Xen entry of ours.
func (p *planner) namesOurs() bool {
	for _, key := range []string{"preferred", "default"} {
		value, ok := p.conf.Get(key)
		_, lit := literal(value)
		_, glob := cutPrefixFold(value, "xen-")
		if _, what := p.r.means(value, ok); what == xenValue && (lit || glob) {
			return true
		}
	}
	return false
}

// firstGood is the NixOS entry that comes first in the menu, of those that counting has not given up.
func (p *planner) firstGood() (Entry, bool) {
	for _, e := range p.r.after {
		if e.Kind.NixOS() && e.starts() && !e.Bad() {
			return e.Entry, true
		}
	}
	return Entry{}, false
}

// noNixOS: there is no NixOS entry to go back to, as on a partition that holds nothing of NixOS.
func (p *planner) noNixOS() {
	if x, ok := p.r.xen(p.g); ok && !p.in.Remove && !p.in.Refused && p.in.FromProfiles && p.in.Policy != PreferNixOS {
		p.startXen(x)
		return
	}
	if e, ok := p.firstGood(); ok {
		p.set("default", ValueFor(e))
		p.warn(NothingStarts, "", "no NixOS entry of %s can start: %s is the default instead", p.name(p.g), e.File)
		return
	}
	p.warn(NothingStarts, "run nixos-rebuild boot", "no entry of %s can start", p.name(p.g))
}

// mend takes out what names nothing.
func (p *planner) mend() {
	if !p.made {
		return
	}
	for _, key := range []string{"preferred", "default"} {
		value, ok := p.conf.Get(key)
		if !ok || isSaved(value) || isAuto(value) || p.exists(value) {
			continue
		}
		if _, what := p.r.means(value, ok); what == nothing {
			continue
		}
		var to Entry
		found := false
		if p.g >= 0 {
			if to, found = p.r.nixos(p.g, p.r.after); !found {
				to, found = p.r.xen(p.g)
			}
		}
		if !found {
			to, found = p.firstGood()
		}
		_, more := p.conf.Get("default")
		switch {
		case key == "preferred" && more:
			p.conf.Unset(key) // default decides already, and goes on doing so
		case found:
			p.set(key, ValueFor(to))
		case p.isXenish(value):
			p.set(key, "nixos-*") // what the next installer of NixOS writes will match
		default:
			continue
		}
		p.warn(Repaired, "", "loader.conf: %s %s names nothing that exists", key, value)
	}
}

// isXenish reports whether a value is, or looks like, one for Xen entries.
func (p *planner) isXenish(value string) bool {
	_, what := p.r.means(value, true)
	_, prefix := cutPrefixFold(value, "xen-")
	return what == xenValue || what == dangling && prefix
}

// exists reports whether some entry of the menu to come has what a value names.
func (p *planner) exists(value string) bool {
	lit, isLit := literal(value)
	for i, b := range p.variants {
		if slices.ContainsFunc(p.menus[i], func(e row) bool {
			return b.matches(value, e) || isLit && named(lit, e.Entry, e.Kind != Other && e.Kind != Auto)
		}) {
			return true
		}
	}
	return false
}

// set changes a key of loader.conf.
func (p *planner) set(key, value string) {
	if old, ok := p.conf.Get(key); ok && old == value {
		return
	}
	if err := p.conf.Set(key, value); err != nil {
		p.warn(NotWritable, "", "loader.conf keeps its %s: %v", key, err)
		return
	}
	p.made = true
}

// detour is loader.conf for the time when what it names now may be gone: the NixOS entry of the same
// generation, exactly. A glob would forget which it was.
func (p *planner) detour() {
	s := p.startNow()
	if s.By != Nothing && !s.Entry.Kind.Ours() && s.Entry.starts() && !p.namesOurs() {
		p.d.Detour.Possible = true
		return
	}
	n, ok := p.r.nixos(p.g, p.r.before)
	if !ok {
		return
	}
	conf := esp.ParseLoaderConf(p.in.Conf)
	keys := []string{"default"}
	if _, has := conf.Get("preferred"); has {
		keys = []string{"preferred", "default"}
	}
	for _, key := range keys {
		if conf.Set(key, ValueFor(n)) != nil {
			return
		}
	}
	p.d.Detour = Detour{Possible: true, Conf: conf.Bytes()}
}

// finish fills in what starts, from what was decided.
func (p *planner) finish() {
	text := p.in.Conf
	if p.made {
		if b := p.conf.Bytes(); p.in.Conf == nil || !bytes.Equal(b, p.in.Conf) {
			text, p.d.Conf = b, b
		}
	}
	old := esp.ParseLoaderConf(p.in.Conf)
	for _, key := range []string{"preferred", "default"} {
		from, _ := old.Get(key)
		to, _ := esp.ParseLoaderConf(text).Get(key)
		if from != to {
			p.d.Keys = append(p.d.Keys, Key{key, from, to})
		}
	}
	vars := p.in.Vars
	if p.d.OneShot != "" || p.d.Disarm {
		vars.OneShot = p.d.OneShot
	}
	p.d.Next = startsIn(text, vars, p.variants, p.menus)
	vars.OneShot = ""
	p.d.Then = startsIn(text, vars, p.variants, p.menus)
	if p.in.Undecided {
		return
	}
	if p.in.Conf == nil && p.d.Conf == nil && len(p.r.after) > 0 {
		p.warn(LoaderConfMissing, "", "loader.conf is missing: systemd-boot starts the first of its menu")
	}
	alone := startsIn(text, Vars{LastBooted: p.in.Vars.LastBooted}, p.variants, p.menus)
	switch {
	case p.d.Then.By.Variable() && p.d.Then.ID != alone.ID:
		p.warn(VariableOutranks, "bootctl set-default '' clears it", "%s starts by default: %s", p.d.Then.ID, p.d.Then.Reason())
	case p.d.Next.By == OneShotVar && p.d.OneShot == "" && p.d.Next.ID != alone.ID:
		p.warn(VariableOutranks, "bootctl set-oneshot '' clears it", "%s starts next: %s", p.d.Next.ID, p.d.Next.Reason())
	}
	if len(p.d.Then.Doubt) > 0 {
		p.warn(NotSure, "", "%s starts by default, but other versions of systemd-boot than the one taken for installed start %s",
			p.d.Then.ID, strings.Join(p.d.Then.Doubt, " or "))
	}
}

// name is a generation for people.
func (p *planner) name(i int) string { return p.r.gens[i].Name() }

// Name is a generation for people: "generation 5", "generation 5 of profile web, specialisation gaming".
func (g Generation) Name() string {
	s := "the default generation"
	if g.Number > 0 {
		s = fmt.Sprintf("generation %d", g.Number)
	} else if g.Toplevel != "" {
		s = g.Toplevel
	}
	if g.Profile != "" {
		s += " of profile " + g.Profile
	}
	if g.Specialisation != "" {
		s += ", specialisation " + g.Specialisation
	}
	return s
}
