package generation

// Reason says in one word why a generation has no Xen entry.
type Reason string

// The reasons.
const (
	NoExtension       Reason = "no-extension"       // its bootspec has no Xen extension: Xen is off in it
	BootspecMissing   Reason = "bootspec-missing"   // no boot.json: garbage-collected, or made without bootspec
	BootspecInvalid   Reason = "bootspec-invalid"   // boot.json is malformed, or names something outside of the store
	EntryInvalid      Reason = "entry-invalid"      // its NixOS entry or stub can't be understood
	UnknownGeneration Reason = "unknown-generation" // no profile link leads to what an entry or stub names
	XenMissing        Reason = "xen-missing"        // the Xen image is not in the store
	ImageInvalid      Reason = "image-invalid"      // the Xen image is not a PE image, or can't take a section
	PayloadMissing    Reason = "payload-missing"    // kernel or initrd is neither on $BOOT nor in the store
	UnverifiedInitrd  Reason = "unverified-initrd"  // an initrd that nothing vouches for would have to be signed
	BadParameter      Reason = "bad-parameter"      // xen.cfg can't hold a parameter or name
	Collision         Reason = "collision"          // another generation, or somebody's file, has the same name
	OverLimit         Reason = "over-limit"         // older than the newest N
	NotSelected       Reason = "not-selected"       // not among those asked for
	NoSpace           Reason = "no-space"           // $BOOT has no disk space for it
)

// Skip is why a generation gets no Xen entry. It is an error, so that each stage can return one.
type Skip struct {
	Reason Reason
	Err    error // names the file and the cause; nil where the reason says all
}

// Error is the reason as a part of a sentence.
func (s *Skip) Error() string {
	if s.Err != nil {
		return s.Err.Error()
	}
	switch s.Reason {
	case NoExtension:
		return "Xen is not enabled in it"
	case OverLimit:
		return "older than --limit allows"
	case NotSelected:
		return "not among the generations asked for"
	case NoSpace:
		return "there is no disk space for it"
	}
	return string(s.Reason)
}

// Unwrap is the cause.
func (s *Skip) Unwrap() error { return s.Err }

// Failed reports whether something is wrong, as opposed to intended. A nil Skip is none.
func (s *Skip) Failed() bool {
	if s == nil {
		return false
	}
	switch s.Reason {
	case NoExtension, OverLimit, NotSelected:
		return false
	}
	return true
}

// Skipped makes a Skip of an error; of nil it makes nil.
func Skipped(r Reason, err error) error {
	if err == nil {
		return nil
	}
	return &Skip{r, err}
}
