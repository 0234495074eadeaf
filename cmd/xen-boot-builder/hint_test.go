package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOptionWords: each phrase that the module's users see in their own words is one that is printed, and each option is one of
// the module's.
func TestOptionWords(t *testing.T) {
	t.Parallel()
	var sources strings.Builder
	err := filepath.WalkDir("../../bootbuilder", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		sources.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../../nix/module.nix")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(optionWords); i += 2 {
		if !strings.Contains(sources.String(), optionWords[i]) {
			t.Errorf("nothing prints %q", optionWords[i])
		}
		_, name, ok := strings.Cut(optionWords[i+1], option)
		if !ok {
			continue
		}
		name = name[:strings.IndexFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' })]
		if base := name[strings.LastIndexByte(name, '.')+1:]; !strings.Contains(string(module), " "+base+" = mkOption {") {
			t.Errorf("the module has no option %s", name)
		}
	}
}
