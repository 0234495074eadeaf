package bootbuilder_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/xen-boot-builder/xen-boot-builder"

// arrows are the imports that each package may have beside the standard library, its tests'
// own left out. docs/architecture.md draws them. A name that ends in "/..." is for all below it too.
var arrows = map[string][]string{
	"cmd/xen-boot-builder": {"bootbuilder", "docs", "esp", "esp/fatimage", "cmd/xen-boot-builder/internal/...",
		"github.com/spf13/pflag", "golang.org/x/term"},
	"cmd/xen-boot-builder/internal/config":  {"github.com/spf13/pflag"},
	"cmd/xen-boot-builder/internal/screen":  {"golang.org/x/text/width"},
	"cmd/xen-boot-builder/internal/suggest": {},
	"bootbuilder":                           {"bootspec", "esp", "bootbuilder/internal/...", "github.com/sergi/go-diff/diffmatchpatch", "github.com/tidwall/gjson"},
	"bootbuilder/internal/bootname":         {"esp"},
	"bootbuilder/internal/compare":          {"github.com/sergi/go-diff/diffmatchpatch"},
	"bootbuilder/internal/content": {"esp", "bootbuilder/internal/generation", "bootbuilder/internal/nixroot",
		"bootbuilder/internal/pe", "bootbuilder/internal/secureboot"},
	"bootbuilder/internal/efivars":    {"esp", "golang.org/x/sys/unix"},
	"bootbuilder/internal/generation": {"bootspec", "esp", "bootbuilder/internal/bootname", "bootbuilder/internal/menu", "bootbuilder/internal/nixroot"},
	"bootbuilder/internal/installed": {"esp", "bootbuilder/internal/bootname", "bootbuilder/internal/layout",
		"bootbuilder/internal/menu", "bootbuilder/internal/xencfg"},
	"bootbuilder/internal/layout": {"bootspec", "esp", "bootbuilder/internal/bootname", "bootbuilder/internal/content",
		"bootbuilder/internal/generation", "bootbuilder/internal/nixroot", "bootbuilder/internal/osrelease",
		"bootbuilder/internal/pe", "bootbuilder/internal/xencfg"},
	"bootbuilder/internal/menu":      {"esp", "bootbuilder/internal/bootname", "bootbuilder/internal/osrelease", "bootbuilder/internal/pe"},
	"bootbuilder/internal/nextboot":  {"esp"},
	"bootbuilder/internal/nixroot":   {"internal/openat2", "github.com/cyphar/filepath-securejoin", "golang.org/x/sys/unix"},
	"bootbuilder/internal/osrelease": {},
	"bootbuilder/internal/pcrlock":   {},
	"bootbuilder/internal/pe":        {},
	"bootbuilder/internal/proven":    {},
	"bootbuilder/internal/scratch":   {"golang.org/x/sys/unix"},
	"bootbuilder/internal/secrets":   {"bootbuilder/internal/scratch", "internal/program", "github.com/cyphar/filepath-securejoin"},
	"bootbuilder/internal/secureboot": {"bootbuilder/internal/pe", "bootbuilder/internal/scratch", "internal/program",
		"github.com/foxboron/go-uefi/authenticode", "github.com/foxboron/go-uefi/pkcs7",
		"golang.org/x/crypto/cryptobyte/..."},
	"bootbuilder/internal/transaction": {"esp"},
	"bootbuilder/internal/xencfg":      {},
	"bootspec":                         {"internal/openat2", "github.com/tidwall/gjson", "golang.org/x/sys/unix"},
	"docs":                             {},
	"esp":                              {"internal/openat2", "golang.org/x/sys/unix"},
	"esp/crashfs/...":                  {"esp"},
	"esp/fatimage/...":                 {"esp", "esp/fatimage/internal/...", "internal/program", "golang.org/x/sys/unix"},
	"internal/openat2":                 {"golang.org/x/sys/unix"},
	"internal/program":                 {"golang.org/x/sys/unix"},
	"fixtures/...":                     {"fixtures", "golang.org/x/sys/unix"},
}

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Name, Dir string
	GoFiles, Imports      []string
}

// goList runs once for all tests that look at the code.
var goList = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return out, err
})

// goPackages are all packages of the module.
func goPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := goList()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("the go command is not installed")
	}
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < len(arrows)-2 {
		t.Fatalf("go list names %d packages", len(list))
	}
	return list
}

// name is a package's name below the module.
func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// under reports whether a package is one of those that a key or value of arrows stands for.
func under(name, pattern string) bool {
	dir, all := strings.CutSuffix(pattern, "/...")
	return name == dir || all && strings.HasPrefix(name, dir+"/")
}

// TestArrows keeps the imports to those that docs/architecture.md draws.
func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		var allowed []string
		known := false
		for pattern, list := range arrows {
			if under(p.name(), pattern) {
				allowed, known = append(allowed, list...), true
			}
		}
		if !known {
			t.Errorf("%s: is in no row; say what it may import", p.name())
		}
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") {
				continue // the standard library's
			}
			name := strings.TrimPrefix(path, module+"/")
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return under(name, pattern) }) {
				t.Errorf("%s must not import %s", p.name(), name)
			}
		}
	}
}

// TestArrowsAreUsed: a row or an import that nobody needs any more goes.
func TestArrowsAreUsed(t *testing.T) {
	t.Parallel()
	all := goPackages(t)
	for pattern, list := range arrows {
		var imports []string
		for _, p := range all {
			if under(p.name(), pattern) {
				imports = append(imports, p.name())
				imports = append(imports, p.Imports...)
			}
		}
		if len(imports) == 0 {
			t.Errorf("there is no package %s", pattern)
		}
		for _, a := range list {
			used := slices.ContainsFunc(imports, func(path string) bool { return under(strings.TrimPrefix(path, module+"/"), a) })
			if !used {
				t.Errorf("%s no longer imports %s", pattern, a)
			}
		}
	}
}

// files are the package's own, with their whole names.
func (p goPackage) files() []string {
	var list []string
	for _, name := range p.GoFiles {
		list = append(list, filepath.Join(p.Dir, name))
	}
	return list
}
