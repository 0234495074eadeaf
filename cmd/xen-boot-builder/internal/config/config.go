// Package config reads the program's configuration file, and gives its settings to flags.
//
// A line is a long flag without its dashes, and after a blank its value: "esp /boot". A switch
// stands alone, or with true or false. Blanks around a value are no part of it; there is no
// quoting, no "=", and no continued line. A line that is empty or begins with "#" says nothing; a
// "#" further on belongs to the value. A flag that may be repeated may be so here, any other may
// not. What is not understood is an error that names the file and the line: a setting that is
// passed over would be worse.
package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// MaxSize is how many bytes a file may have.
const MaxSize = 64 << 10

// Setting is one line of a file that sets something.
type Setting struct {
	Line  int // counted from 1
	Flag  string
	Value string // "" for a switch that stands alone
}

// Error is what is wrong with a line of a file.
type Error struct {
	File string
	Line int
	Flag string // that the line speaks of
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// ErrUnknown is inside an Error about a flag that there is not.
var ErrUnknown = errors.New("is not a flag")

// Parse reads a file's text. Whether there are such flags is for Apply to say.
func Parse(file, text string) ([]Setting, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s has more than %d bytes: it is not a configuration file", file, MaxSize)
	}
	var settings []Setting
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		flag, value := line, ""
		if end := strings.IndexFunc(line, unicode.IsSpace); end >= 0 {
			flag, value = line[:end], strings.TrimSpace(line[end:])
		}
		if err := checkLine(flag, value); err != nil {
			return nil, &Error{File: file, Line: number, Flag: flag, Err: err}
		}
		settings = append(settings, Setting{Line: number, Flag: flag, Value: value})
	}
	return settings, nil
}

// checkLine refuses what was most likely meant in another way than it would be taken.
func checkLine(flag, value string) error {
	name := strings.TrimLeft(flag, "-")
	switch {
	case !utf8.ValidString(flag + value):
		return errors.New("it is not UTF-8")
	case strings.ContainsFunc(flag+value, unicode.IsControl):
		return errors.New("it holds a control character")
	case name != flag:
		return fmt.Errorf("flags are written without dashes here: %q", strings.TrimSpace(name+" "+value))
	case strings.Contains(flag, "=") || strings.HasPrefix(value, "="):
		name, first, _ := strings.Cut(flag, "=")
		value = strings.TrimSpace(strings.TrimPrefix(value, "="))
		return fmt.Errorf("a blank stands between a flag and its value, and no \"=\": %q", strings.TrimSpace(name+" "+first+value))
	}
	return nil
}

// Rules are what Apply has to know of the flags beside what pflag does.
type Rules struct {
	// Settable reports whether a flag may be set by a file at all.
	Settable func(flag string) bool
	// Group is what a flag belongs to with others of which one replaces all; "" for none. Where
	// the command line has one of them, it says all there is to say about that.
	Group func(flag string) string
	// Check refuses a value that the flag can't have.
	Check func(flag, value string) error
}

// Apply sets the flags that the command line did not. A flag that it did is not changed, however
// often it may be repeated; nor are those of its group. The file's settings are all checked first,
// those that the command line outdoes too.
func Apply(file string, settings []Setting, flags *pflag.FlagSet, rules Rules) error {
	given := make(map[string]bool) // flags and groups on the command line
	flags.Visit(func(f *pflag.Flag) {
		given[f.Name] = true
		if group := rules.Group(f.Name); group != "" {
			given["group "+group] = true
		}
	})
	if err := check(file, settings, flags, rules); err != nil {
		return err
	}
	for _, s := range settings {
		if given[s.Flag] || given["group "+rules.Group(s.Flag)] {
			continue
		}
		if err := flags.Set(s.Flag, argument(flags.Lookup(s.Flag), s.Value)); err != nil {
			return &Error{File: file, Line: s.Line, Flag: s.Flag, Err: err}
		}
	}
	return nil
}

func check(file string, settings []Setting, flags *pflag.FlagSet, rules Rules) error {
	seen := make(map[string]int)
	for _, s := range settings {
		fail := func(err error) error { return &Error{File: file, Line: s.Line, Flag: s.Flag, Err: err} }
		f := flags.Lookup(s.Flag)
		switch {
		case f == nil:
			return fail(fmt.Errorf("%q %w", s.Flag, ErrUnknown))
		case !rules.Settable(s.Flag):
			return fail(fmt.Errorf("%s belongs on the command line only", s.Flag))
		case argument(f, s.Value) == "":
			return fail(fmt.Errorf("%s needs a value", s.Flag))
		case isSwitch(f) && !slices.Contains([]string{"", "true", "false"}, s.Value):
			return fail(fmt.Errorf("%s is true or false, not %q", s.Flag, s.Value))
		case seen[s.Flag] > 0 && !repeatable(f):
			return fail(fmt.Errorf("%s is set already, in line %d", s.Flag, seen[s.Flag]))
		}
		if err := rules.Check(s.Flag, argument(f, s.Value)); err != nil {
			return fail(err)
		}
		seen[s.Flag] = s.Line
	}
	return nil
}

// argument is the value, or what the flag alone stands for.
func argument(f *pflag.Flag, value string) string {
	if value == "" {
		return f.NoOptDefVal
	}
	return value
}

func isSwitch(f *pflag.Flag) bool { return f.Value.Type() == "bool" }

func repeatable(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}
