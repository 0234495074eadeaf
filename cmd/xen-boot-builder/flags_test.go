package main

import (
	"strconv"
	"strings"
	"testing"
)

// TestFlagTable: each row can be what it says.
func TestFlagTable(t *testing.T) {
	t.Parallel()
	for _, s := range flagSpecs() {
		bad := func(why string) { t.Errorf("--%s: %s", s.name, why) }
		switch into := s.into.(type) {
		case *bool:
			if !s.isSwitch() || s.words != nil || s.bare != "" || s.def != "" {
				bad("a switch has no argument, and is off by default")
			}
		case *int:
			if _, err := strconv.Atoi(s.def); err != nil {
				bad("the default is not a number")
			}
		case *string, *[]string:
		default:
			t.Errorf("--%s: %T is not a type that a flag has", s.name, into)
		}
		if _, known := argKinds[s.arg]; !s.isSwitch() && !known && s.words == nil {
			bad("what a shell is to suggest for " + s.arg + " is not known")
		}
		if s.words != nil && s.def != "" && !strings.Contains(" "+strings.Join(s.words, " ")+" ", " "+s.def+" ") {
			bad("the default is not one of its words")
		}
		if s.by == "" || s.usage == "" || strings.HasSuffix(s.usage, ".") {
			bad("no command takes it, or its usage is not a text without a full stop")
		}
		for _, name := range strings.Fields(s.by) {
			if findCommand(name) == nil {
				bad("there is no command " + name)
			}
		}
	}
}

// TestFlagWords: a word of a flag is taken, any other is not.
func TestFlagWords(t *testing.T) {
	t.Parallel()
	for flag, words := range map[string]string{
		"from": "auto entries lanzaboote profiles", "layout": "auto shared embedded unified", "default": "xen nixos keep",
		"verbosity": "quiet default info debug", "color": "auto always never",
	} {
		for _, word := range strings.Fields(words) {
			if _, err := parseCommandLine([]string{"--" + flag, word}, noEnvironment()); err != nil {
				t.Errorf("--%s %s: %v", flag, word, err)
			}
		}
		for _, word := range []string{"", "Auto", "else"} {
			c, err := parseCommandLine([]string{"--" + flag, word}, noEnvironment())
			if err == nil || c.color != colorAuto {
				t.Errorf("--%s %q: %v, with colours %q", flag, word, err, c.color)
			}
		}
	}
}
