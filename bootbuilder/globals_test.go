package bootbuilder_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"testing"
)

// TestNoGlobalState looks through all code but the tests: nothing runs before main, only main.go of a
// program ends it, nothing panics, and no package-level variable changes. Tables, regular
// expressions and sentinel errors are variables only because Go has no constants of their kind.
func TestNoGlobalState(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.files() {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		for _, f := range globalState(fset, files) {
			t.Error(f)
		}
	}
}

// TestGlobalStateIsSeen: each kind of it is.
func TestGlobalStateIsSeen(t *testing.T) {
	t.Parallel()
	for text, bad := range map[string]bool{
		`var E = errors.New("x"); func f() error { return E }`:                false,
		`var table = []int{1}; func f() { table := 1; table = 2; _ = table }`: false,
		`type s struct{ n int }; func f(x *s) { x.n = 1 }`:                    false,
		`func init() {}`:                                    true,
		`func f() { os.Exit(1) }`:                           true,
		`func f() { log.Fatalf("x") }`:                      true,
		`func f() { panic("x") }`:                           true,
		`var n int; func f() { n = 1 }`:                     true,
		`var n int; func f() { n++ }`:                       true,
		`var n int; func f() *int { return &n }`:            true,
		`var m = map[int]int{}; func f() { m[1] = 2 }`:      true,
		`var m = map[int]int{}; func f() { delete(m, 1) }`:  true,
		`var s struct{ a [2]int }; func f() { s.a[1] = 2 }`: true,
		`var s []int; func f() { for s[0] = range 3 {} }`:   true,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package x\n"+`import ("errors"; "os"; "log")`+"\n"+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := globalState(fset, []*ast.File{f}); (len(got) > 0) != bad {
			t.Errorf("%s\nfound %v", text, got)
		}
	}
}

// globalState lists what TestNoGlobalState forbids in the files of one package.
func globalState(fset *token.FileSet, files []*ast.File) []string {
	// Imports are not followed: what is package-level here can be told without.
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Error: func(error) {}, Importer: noImports{}}
	pkg, _ := conf.Check("x", fset, files, info)

	var found []string
	add := func(n ast.Node, what string) { found = append(found, fset.Position(n.Pos()).String()+": "+what) }
	isGlobal := func(e ast.Expr) bool {
		id := root(e)
		if id == nil {
			return false
		}
		v, ok := info.Uses[id].(*types.Var)
		return ok && v.Parent() == pkg.Scope()
	}
	for _, f := range files {
		inMain := f.Name.Name == "main" && filepath.Base(fset.Position(f.Pos()).Filename) == "main.go"
		ast.Inspect(f, func(n ast.Node) bool {
			var changed []ast.Expr
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					add(n, "func init")
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
			case *ast.CallExpr:
				name := types.ExprString(n.Fun)
				ends := slices.Contains([]string{"os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln"}, name)
				if ends && !inMain || name == "panic" {
					add(n, name)
				}
				if slices.Contains([]string{"delete", "clear", "copy"}, name) && len(n.Args) > 0 {
					changed = n.Args[:1]
				}
			}
			for _, e := range changed {
				if isGlobal(e) {
					add(n, "changes a package-level variable: "+types.ExprString(e))
				}
			}
			return true
		})
	}
	return found
}

// root is the variable that an expression such as x.y[1] is part of, or nil.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SliceExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil
}

// noImports leaves imported packages unknown.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }
