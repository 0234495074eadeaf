package nextboot

// Policy says what loader.conf shall start.
type Policy int

// The policies.
const (
	PreferXen   Policy = iota // the Xen entry of the generation that NixOS' choice means
	PreferNixOS               // its NixOS entry
	Keep                      // what it starts now, unless that goes away
	Trial                     // what has proven itself; the new Xen entry once, by LoaderEntryOneShot
)

// String is the policy's name on the command line.
func (p Policy) String() string {
	switch p {
	case PreferXen:
		return "xen"
	case PreferNixOS:
		return "nixos"
	case Keep:
		return "keep"
	case Trial:
		return "try"
	}
	return "unknown"
}

// Generation is a NixOS generation or one of its specialisations.
type Generation struct {
	Toplevel       string
	Profile        string // "" for the system profile
	Number         uint64
	Specialisation string // "" for none

	NixOS []string // file names of its NixOS entry and of its stub, as far as they exist; counters don't matter
	Xen   string   // file name of its Xen entry once the plan is applied, "" for none; its counter doesn't matter

	Failed  bool // its Xen entry could not be built now, though one may be left of an earlier time
	Bad     bool // boot counting has given it up; entries without tries left say so too
	Current bool // the link of the system profile points here
}

// Proof is a generation whose Xen entry was blessed.
type Proof struct {
	Toplevel string
	Date     string // "2026-11-20"
	Entry    string // the id that was started
}

// Input is all that decides what starts next.
type Input struct {
	Conf    []byte // loader.conf, nil for none
	Vars    Vars   // the EFI variables, of the running system only
	Version Version
	Policy  Policy

	Before, After []Entry // the entries now, and once the plan is applied
	Generations   []Generation

	FromProfiles bool // the profile's links say what there is, and loader.conf is made if it is missing
	Remove       bool // every Xen entry goes
	Refused      bool // Secure Boot is on and would refuse our images
	Undecided    bool // the plan does not know enough to remove anything: loader.conf stays as it is

	Proven []Proof // what was blessed, the last one first
	Tried  string  // the toplevel that was put on trial last, "" for none
	OnXen  string  // the toplevel that runs on Xen at this moment, "" for none
	CanArm bool    // LoaderEntryOneShot can be written

	noArm   bool   // only loader.conf is decided
	blessed string // the toplevel that becomes the default in place of another proven one
}

// Code tells warnings apart.
type Code string

// The warnings.
const (
	LoaderConfMissing Code = "loader-conf-missing" // systemd-boot chooses by itself
	NixOSWritten      Code = "nixos-written"       // Xen would have started by its place in the menu
	SecureBootRefuses Code = "secure-boot-refuses" // NixOS starts, as Xen could not
	DefaultBad        Code = "default-bad"         // boot counting has given up the default generation
	DefaultFailed     Code = "default-failed"      // its Xen entry could not be built
	VariableOutranks  Code = "variable-outranks"   // an EFI variable decides, not loader.conf
	HandWritten       Code = "hand-written"        // loader.conf names what is not ours: the policy is not applied
	Repaired          Code = "repaired"            // loader.conf named what does not exist
	NotWritable       Code = "not-writable"        // a line of loader.conf can't hold the id
	NotSure           Code = "not-sure"            // versions of systemd-boot differ here
	NotCounted        Code = "not-counted"         // boot counting does not cover the Xen entry
	NoFallback        Code = "no-fallback"         // systemd-boot 257 to 259 start a default that counting has given up
	NothingStarts     Code = "nothing-starts"      // no entry of the default generation can start
	CannotArm         Code = "cannot-arm"          // LoaderEntryOneShot can't be written here
	OneShotTaken      Code = "one-shot-taken"      // it names something of somebody else's
	AlreadyTried      Code = "already-tried"       // a trial ended without a blessing
)

// Warning is something that people should know.
type Warning struct {
	Code    Code
	Message string
	Hint    string // what can be done, "" for nothing
}

// Decision is what loader.conf and LoaderEntryOneShot shall be.
type Decision struct {
	Conf []byte // the new text, nil to leave loader.conf as it is
	Keys []Key  // what the new text changes

	Detour Detour

	Default int // the generation that NixOS' choice means, as an index into Input.Generations; -1 for none
	// DefaultFailed: its Xen entry could not be built. A run that ends so has failed (exit code 1).
	DefaultFailed bool

	Before Start // what starts next as things are
	Next   Start // what starts at the next boot, once all is applied
	Then   Start // what starts after that: the same, unless something is started once only

	OneShot string // the value to write to LoaderEntryOneShot, "" to leave it
	Disarm  bool   // LoaderEntryOneShot is to be removed: it names a trial that nobody wants any more
	Forget  bool   // the record's trial is not that of the default generation any more
	Trial   int    // the generation on trial, as an index; -1 for none

	Warnings []Warning
}

// Key is a key of loader.conf that changes. From is "" for a new line, To is "" for one that goes.
type Key struct{ Key, From, To string }

// Detour is loader.conf for the time in which old files are gone and new ones are not there yet.
type Detour struct {
	Possible bool   // something bootable can be named meanwhile
	Conf     []byte // the text, nil where loader.conf may stay as it is
}
