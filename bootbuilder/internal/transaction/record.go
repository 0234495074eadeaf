package transaction

import (
	"slices"
	"time"
)

// Record is what a run has really done, whether or not it came to its end.
type Record struct {
	// Steps are those that were begun, in order. Only the last one may have failed.
	Steps []Done
	// Written are files that have all their content; entries too, whether new or changed.
	Written []Place
	// Blanked are entries that were made to say nothing before what they name went. Those that were written again
	// are in Written too.
	Blanked []Place
	// Removed are files and directories that are gone.
	Removed []Place
	// Directories are those that are new.
	Directories []Place
	// LoaderConf says what is in loader.conf.
	LoaderConf ConfState
	// Bytes is how much was written to files.
	Bytes int64
}

// Done is a step that was begun.
type Done struct {
	Step
	Took time.Duration
	Err  error
}

// ConfState is which text loader.conf holds.
type ConfState int

// The texts of a [ConfChange].
const (
	ConfBefore ConfState = iota
	ConfDetour
	ConfAfter
)

func (r *Record) wrote(at Place, bytes int64) {
	r.Bytes += bytes
	if !slices.Contains(r.Written, at) {
		r.Written = append(r.Written, at)
	}
}

// moved says that a file has its last name.
func (r *Record) moved(from, to Place) {
	r.Written = slices.DeleteFunc(r.Written, func(p Place) bool { return p == from })
	r.wrote(to, 0)
}

// unmade says that a file which this run made is gone again.
func (r *Record) unmade(at Place) {
	is := func(p Place) bool { return p == at }
	r.Written = slices.DeleteFunc(r.Written, is)
	r.Removed = slices.DeleteFunc(r.Removed, is)
}

// HasWritten reports whether a file has all its content.
func (r *Record) HasWritten(at Place) bool { return slices.Contains(r.Written, at) }

// HasRemoved reports whether a file is gone.
func (r *Record) HasRemoved(at Place) bool { return slices.Contains(r.Removed, at) }
