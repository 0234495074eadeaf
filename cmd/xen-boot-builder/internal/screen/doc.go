// Package screen lays out text for people: tables that fit a terminal, colours, and names and
// titles that can't do anything to the terminal they are shown on.
//
// All of it is pure: what the terminal is like comes in as a Screen, and lines come out. On a
// terminal lines fit its width; in a pipe nothing is cut, left out or broken, so that what reads
// it gets everything.
//
// A character's columns are those of Unicode's East Asian Width (UAX #11), with combining marks as
// none. Sequences that some terminals draw as one emoji count as their parts: too wide a guess
// leaves a gap, never an overlap.
package screen
