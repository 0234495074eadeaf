package bootspec

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// object is a JSON object of a checked tree. The JSON path that leads to it is put together where an error asks for it.
type object struct {
	outer   string // path of the object that it lies in, or its own where key is empty
	key     string
	members []member // few: no key is there twice
}

type member struct {
	key   string
	value gjson.Result
}

// path is the JSON path that leads to the object, or to one of its keys.
func (o object) path(keys ...string) string {
	path := o.outer
	if o.key != "" {
		path = join(path, o.key)
	}
	for _, key := range keys {
		path = join(path, key)
	}
	return path
}

func newObject(outer, key string, v gjson.Result) (object, error) {
	o := object{outer: outer, key: key}
	if !v.IsObject() {
		return object{}, wrongType(o.path(), v, "an object")
	}
	// No more than it has colons, and rarely more than eight: colons of what is inside count, too.
	o.members = make([]member, 0, min(strings.Count(v.Raw, ":"), 8))
	// A walk, not gjson's paths: in those, dots and wildcards of a key mean something else.
	v.ForEach(func(key, value gjson.Result) bool {
		o.members = append(o.members, member{key.Str, value})
		return true
	})
	return o, nil
}

func wrongType(path string, v gjson.Result, want string) error {
	reason := fmt.Sprintf("must be %s, is %s", want, kind(v))
	if path == "" {
		reason = "the document " + reason
	}
	return &Error{Path: path, Reason: reason}
}

// has reports whether the object has the key; null counts.
func (o object) has(key string) bool {
	_, ok := o.get(key)
	return ok
}

func (o object) get(key string) (gjson.Result, bool) {
	for i := range o.members {
		if o.members[i].key == key {
			return o.members[i].value, true
		}
	}
	return gjson.Result{}, false
}

// fields reads values out of objects and keeps the first error. After one it only returns
// zero values, so that a parser asks once, at the end.
type fields struct{ err error }

func (f *fields) fail(path, reason string) {
	if f.err == nil {
		f.err = &Error{Path: path, Reason: reason}
	}
}

// require asks for keys that have no default.
func (f *fields) require(o object, keys ...string) {
	for _, key := range keys {
		if !o.has(key) {
			f.fail(o.path(key), "required key is missing")
		}
	}
}

// str returns a string that passes the rule, "" where the key is absent.
func (f *fields) str(o object, key string, rule func(string) string) string {
	v, ok := o.get(key)
	if !ok || f.err != nil {
		return ""
	}
	return f.item(func() string { return o.path(key) }, v, rule)
}

func (f *fields) item(path func() string, v gjson.Result, rule func(string) string) string {
	if v.Type != gjson.String {
		f.err = wrongType(path(), v, "a string")
		return ""
	}
	if reason := rule(v.Str); reason != "" {
		f.fail(path(), reason)
		return ""
	}
	return v.Str
}

// list returns a list of strings that pass the rule, nil where the key is absent
// or the list is empty.
func (f *fields) list(o object, key string, rule func(string) string) []string {
	v, ok := o.get(key)
	if !ok || f.err != nil {
		return nil
	}
	if !v.IsArray() {
		f.err = wrongType(o.path(key), v, "a list of strings")
		return nil
	}
	var items []string
	v.ForEach(func(_, item gjson.Result) bool {
		items = append(items, f.item(func() string { return element(o.path(key), len(items)) }, item, rule))
		return f.err == nil
	})
	return items
}

// object returns an object without members where the key is absent.
func (f *fields) object(o object, key string) object {
	v, ok := o.get(key)
	if !ok || f.err != nil {
		return object{outer: o.path(), key: key}
	}
	child, err := newObject(o.path(), key, v)
	if err != nil {
		f.err = err
	}
	return child
}
