// Package proven is the record of what has proven itself on Xen, and of what was put on trial.
//
// It is the file EFI/xen/proven on $BOOT: neither systemd-boot-builder nor lzbt sweeps there, while both
// write loader.conf anew at each rebuild. Its text has one sector of 512 bytes, filled up
// with newlines, so that it can be overwritten in place: after a power cut it is the old or the new one.
//
// Anybody who holds the disk can write it. So it says only which of the genuine generations of this
// machine to choose, and what it says of others means nothing.
package proven

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// File is where the record is on $BOOT.
const File = "EFI/xen/proven"

// Size is the length of the file: one sector.
const Size = 512

// header is the first line.
const header = "# xen-boot-builder: what has proven itself on Xen"

// Proof says that a generation's Xen entry was started and was blessed.
type Proof struct {
	Toplevel string // the generation: its path in the store
	Date     string // "2026-11-20"
	Entry    string // the id that was started, "" where it did not fit, or is not a word in ASCII
}

// Record is the file's content.
type Record struct {
	Proofs []Proof // the last blessed first
	Trial  string  // the toplevel put on trial last, "" for none
	Since  string  // the day of that
}

// isDate is of the form 2026-11-20.
func isDate(s string) bool {
	for i := range len(s) {
		if c := s[i]; (i == 4 || i == 7) != (c == '-') || c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) == len("2026-11-20")
}

// isToplevel is of an absolute path without a blank.
func isToplevel(s string) bool { return len(s) > 1 && s[0] == '/' && isEntry(s) }

// isEntry is of one word in ASCII.
func isEntry(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// Decode reads a record. What it does not understand it leaves out: the record is of help, and nothing
// depends on it.
func Decode(b []byte) Record {
	var r Record
	if len(b) > Size {
		b = b[:Size]
	}
	if !bytes.HasPrefix(b, []byte(header+"\n")) {
		return r
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasSuffix(line, "\n") {
			continue // cut off
		}
		words := strings.Fields(line)
		if len(words) < 3 || !isDate(words[1]) || !isToplevel(words[2]) {
			continue
		}
		switch {
		case words[0] == "proven" && len(words) <= 4:
			p := Proof{Date: words[1], Toplevel: words[2]}
			if len(words) == 4 && isEntry(words[3]) {
				p.Entry = words[3]
			}
			if !r.Has(p.Toplevel) {
				r.Proofs = append(r.Proofs, p)
			}
		case words[0] == "trial" && len(words) == 3 && r.Trial == "":
			r.Since, r.Trial = words[1], words[2]
		}
	}
	return r
}

// Encode is the file's text, always of [Size] bytes. What does not fit is left out: first the ids,
// then the oldest proofs. If there is no room for both the last proof and the trial, the proof stays: a trial that is not noted may
// be tried again, without a proof nothing is left to go back to.
func (r Record) Encode() ([]byte, error) {
	for n := len(r.Proofs); ; n-- {
		for _, ids := range []bool{true, false} {
			text, err := r.text(n, ids)
			if err != nil {
				return nil, err
			}
			if len(text) <= Size {
				return append([]byte(text), bytes.Repeat([]byte("\n"), Size-len(text))...), nil
			}
		}
		switch {
		case n > 1:
		case n == 1 && r.Trial != "":
			return r.Try("", "").Encode()
		default:
			return nil, fmt.Errorf("the record of what is proven has more than %d bytes", Size)
		}
	}
}

// text is the record with its first n proofs. Of the first the id is kept longest.
func (r Record) text(n int, ids bool) (string, error) {
	var b strings.Builder
	b.WriteString(header + "\n")
	if r.Trial != "" {
		if !isToplevel(r.Trial) || !isDate(r.Since) {
			return "", fmt.Errorf("on trial since %q: %q is not a toplevel", r.Since, r.Trial)
		}
		b.WriteString("trial " + r.Since + " " + r.Trial + "\n")
	}
	for _, p := range r.Proofs[:n] {
		switch {
		case !isToplevel(p.Toplevel):
			return "", fmt.Errorf("proven: %q is not a toplevel", p.Toplevel)
		case !isDate(p.Date):
			return "", fmt.Errorf("proven: %q is not a day", p.Date)
		case p.Entry != "" && !isEntry(p.Entry):
			return "", errors.New("proven: the id has a blank or a character that is not ASCII")
		}
		b.WriteString("proven " + p.Date + " " + p.Toplevel)
		if ids && p.Entry != "" {
			b.WriteString(" " + p.Entry)
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// Has reports whether a toplevel has proven itself.
func (r Record) Has(toplevel string) bool {
	for _, p := range r.Proofs {
		if p.Toplevel == toplevel {
			return true
		}
	}
	return false
}

// Bless is the record once this proof is in it: first, and once. An id that is not a word in ASCII is left out.
func (r Record) Bless(p Proof) Record {
	if !isEntry(p.Entry) {
		p.Entry = ""
	}
	next := Record{Proofs: []Proof{p}, Trial: r.Trial, Since: r.Since}
	for _, old := range r.Proofs {
		if old.Toplevel != p.Toplevel {
			next.Proofs = append(next.Proofs, old)
		}
	}
	if next.Trial == p.Toplevel {
		next.Trial, next.Since = "", ""
	}
	return next
}

// Try is the record once a toplevel is on trial.
func (r Record) Try(toplevel, day string) Record {
	r.Trial, r.Since = toplevel, day
	return r
}
