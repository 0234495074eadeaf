package bootbuilder_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure are packages that take values and return values: what they import of the standard library reads nothing. A
// package that takes a file system to read from is none of them.
var pure = []string{
	"bootbuilder/internal/bootname", "bootbuilder/internal/compare", "bootbuilder/internal/nextboot",
	"bootbuilder/internal/osrelease", "bootbuilder/internal/pcrlock", "bootbuilder/internal/proven", "bootbuilder/internal/xencfg",
}

// pureFiles are the same of package bootbuilder: files that decide.
var pureFiles = []string{"reconcile.go"}

// reads are the packages and methods by which something is read.
var (
	readers = []string{"os", "io", "io/fs", "io/ioutil", "os/exec", "path/filepath", "net", "syscall", "time", "bufio"}
	reads   = []string{"Open", "OpenFile", "Stat", "Lstat", "ReadDir", "ReadFile", "ReadAt", "Create", "Update", "Space", "Resolve"}
)

// TestPure keeps decisions apart from disks.
func TestPure(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		whole := slices.Contains(pure, p.name())
		if p.name() != "bootbuilder" && !whole {
			continue
		}
		for _, file := range p.files() {
			if !whole && !slices.Contains(pureFiles, filepath.Base(file)) {
				continue
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range impure(fset, f) {
				t.Error(wrong)
			}
		}
	}
}

// impure lists what of a file may read something.
func impure(fset *token.FileSet, f *ast.File) []string {
	var found []string
	for _, i := range f.Imports {
		if name, _ := strconv.Unquote(i.Path.Value); slices.Contains(readers, name) {
			found = append(found, fset.Position(i.Pos()).String()+": imports "+name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(reads, s.Sel.Name) {
			found = append(found, fset.Position(n.Pos()).String()+": calls "+types.ExprString(call.Fun))
		}
		return true
	})
	return found
}

// TestImpureIsSeen: each kind of it is.
func TestImpureIsSeen(t *testing.T) {
	t.Parallel()
	for text, bad := range map[string]bool{
		`import "strings"; func f(s string) bool { return strings.Contains(s, "Open") }`: false,
		`import "os"; var _ = os.Args`:                             true,
		`import "io/fs"; var _ fs.FileMode`:                        true,
		`func f(x interface{ Stat(string) error }) { x.Stat("") }`: true,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package x; "+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := impure(fset, f); (len(got) > 0) != bad {
			t.Errorf("%s\nfound %v", text, got)
		}
	}
}

// TestPlanIsMadeOnce: a Plan is one composite literal at the end of a function that makes one, and nothing assigns to it.
func TestPlanIsMadeOnce(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		if p.name() != "bootbuilder" {
			continue
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.files() {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		made, wrong := planChanges(fset, files)
		for _, w := range wrong {
			t.Error(w)
		}
		if want := []string{"newPlan", "newRemoval"}; !slices.Equal(made, want) {
			t.Errorf("plans are made in %q, want %q", made, want)
		}
	}
}

// TestPlanChangeIsSeen: each kind of it is.
func TestPlanChangeIsSeen(t *testing.T) {
	t.Parallel()
	const plan = `type Plan struct { n int; list []int; in struct{ m int } }; type other struct { p *Plan; n int }; `
	for text, bad := range map[string]bool{
		`func newPlan() *Plan { return &Plan{n: 1} }`:              false,
		`func (p *Plan) f() int { n := p.n; n = 2; return n }`:     false,
		`func f(o *other) { o.n = 1 }`:                             false,
		`func f() { p := &Plan{}; p = nil; _ = p }`:                false,
		`func (p *Plan) f() { p.n = 1 }`:                           true,
		`func (p *Plan) f() { p.n++ }`:                             true,
		`func (p Plan) f() { p.in.m = 1 }`:                         true,
		`func (p *Plan) f() { p.list[0] = 1 }`:                     true,
		`func (p *Plan) f() *int { return &p.n }`:                  true,
		`func f(o other) { o.p.n = 1 }`:                            true,
		`func newPlan() *Plan { p := &Plan{}; p.n = 1; return p }`: true,
		`func (p *Plan) f() { *p = Plan{} }`:                       true,
		`func (p *Plan) f() { for p.n = range 3 {} }`:              true,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package x; "+plan+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := planChanges(fset, []*ast.File{f}); (len(got) > 0) != bad {
			t.Errorf("%s\nfound %v", text, got)
		}
	}
}

// planChanges finds the functions that make a Plan, and what changes one.
func planChanges(fset *token.FileSet, files []*ast.File) (made, changes []string) {
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Uses: make(map[*ast.Ident]types.Object), Defs: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Error: func(error) {}, Importer: noImports{}}
	_, _ = conf.Check("x", fset, files, info)
	isPlan := func(t types.Type) bool {
		return t != nil && strings.TrimPrefix(t.String(), "*") == "x.Plan"
	}
	// ofPlan reports whether an expression is a part of a Plan, or what a pointer to one points to.
	var ofPlan func(e ast.Expr) bool
	ofPlan = func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.SelectorExpr:
			return isPlan(info.TypeOf(e.X)) || ofPlan(e.X)
		case *ast.IndexExpr:
			return ofPlan(e.X)
		case *ast.StarExpr:
			return isPlan(info.TypeOf(e.X))
		case *ast.ParenExpr:
			return ofPlan(e.X)
		}
		return false
	}
	for _, f := range files {
		for _, d := range f.Decls {
			in, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(in, func(n ast.Node) bool {
				var changed []ast.Expr
				switch n := n.(type) {
				case *ast.CompositeLit:
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Plan" && len(n.Elts) > 0 {
						made = append(made, in.Name.Name)
					}
				case *ast.AssignStmt:
					changed = n.Lhs
				case *ast.RangeStmt:
					changed = []ast.Expr{n.Key, n.Value}
				case *ast.IncDecStmt:
					changed = []ast.Expr{n.X}
				case *ast.UnaryExpr:
					if n.Op == token.AND {
						changed = []ast.Expr{n.X}
					}
				}
				for _, e := range changed {
					if e != nil && ofPlan(e) {
						changes = append(changes, fset.Position(n.Pos()).String()+": changes "+types.ExprString(e))
					}
				}
				return true
			})
		}
	}
	slices.Sort(made)
	return slices.Compact(made), changes
}
