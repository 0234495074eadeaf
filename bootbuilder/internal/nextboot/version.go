package nextboot

import (
	"strconv"
	"strings"
)

// Version is a version of systemd-boot. The zero Version is an unknown one.
type Version struct{ Major, Minor int }

// ParseVersion reads what systemd-boot calls itself: "252.39-1~deb12u2", with or without
// "systemd-boot " in front. What it can't read is unknown.
func ParseVersion(s string) Version {
	s = strings.TrimPrefix(s, "systemd-boot ")
	major, rest := number(s)
	if major == 0 {
		return Version{}
	}
	v := Version{Major: major}
	if rest, ok := strings.CutPrefix(rest, "."); ok {
		v.Minor, _ = number(rest)
	}
	return v
}

// number reads the digits at the start of s.
func number(s string) (n int, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	n, err := strconv.Atoi(s[:len(s)-len(rest)])
	if err != nil {
		return 0, s
	}
	return n, rest
}

// String is "252.39", or "of unknown version".
func (v Version) String() string {
	switch {
	case v.Major == 0:
		return "of unknown version"
	case v.Minor == 0:
		return strconv.Itoa(v.Major)
	}
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor)
}

// behaviour is what differs between versions of systemd-boot, as far as it decides here.
type behaviour struct {
	quotesStay     bool // single quotes around a value of loader.conf are a part of it
	counterInID    bool // an entry's id has its boot counter
	keepsCase      bool // the id of an entry with a counter is not lowered, while what names it is
	knowsPreferred bool // there is a key preferred, and LoaderEntryPreferred
}

// behaviours are those that a version may have, the most likely first.
//
// Ids lost their counters in 259 (systemd's PR 38897), and in stable releases between 257.7,
// which has them (issue 38813), and 257.13, which has not; 258.3 has not (issue 40192).
// Single quotes are taken off since 255 or 256. 257.13 forgets to lower such an id, 262 does not. preferred came in 260 (PR 40324).
func (v Version) behaviours() []behaviour {
	var (
		before255 = behaviour{counterInID: true, quotesStay: true}
		before257 = behaviour{counterInID: true}
		before260 = behaviour{keepsCase: true}
		since260  = behaviour{knowsPreferred: true}
	)
	switch {
	case v.Major == 0:
		return []behaviour{since260, before260, before257}
	case v.Major < 255:
		return []behaviour{before255}
	case v.Major < 257:
		return []behaviour{before257, before255}
	case v.Major == 257 && v.Minor <= 7:
		return []behaviour{before257}
	case v.Major == 257 && v.Minor < 13, v.Major == 258 && v.Minor < 3:
		return []behaviour{before260, before257}
	case v.Major < 260:
		return []behaviour{before260}
	}
	return []behaviour{since260}
}
