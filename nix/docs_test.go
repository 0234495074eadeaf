package nix_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestDocs reads the Nix code of the documentation. A block called "nix module" is the inside of a module, and evaluates with
// options of these names and types; with "lanzaboote" behind that, with Lanzaboote's too.
func TestDocs(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"../README.md", "../docs/*.md", "../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	s := newStore(t)
	modules := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range fixtures.CodeBlocks(string(text)) {
			if b.Language != "nix" {
				continue
			}
			place := fmt.Sprintf("%s:%d", file, b.Line)
			words := strings.Fields(b.Info)
			if slices.Contains(words, "module") {
				modules++
				e := configuration{nix: b.Text, lanzaboote: slices.Contains(words, "lanzaboote")}.evaluate(t, s, "")
				if len(e.Failed)+len(e.Warnings) > 0 {
					t.Errorf("%s: assertions %q, warnings %q", place, e.Failed, e.Warnings)
				}
				continue
			}
			path := filepath.Join(t.TempDir(), "block.nix")
			if !strings.HasPrefix(b.Text, "{") {
				b.Text = "{ config, lib, pkgs, xen-boot-builder, ... }:\n{\n" + b.Text + "}\n"
			}
			if err := os.WriteFile(path, []byte(b.Text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, failure := s.instantiate("--parse", path); failure != "" {
				t.Errorf("%s: %s", place, failure)
			}
		}
	}
	if modules < 15 {
		t.Errorf("only %d modules in %q", modules, files)
	}
}
