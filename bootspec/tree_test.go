package bootspec_test

import (
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// TestParseRefusesJSON is about documents that encoding/json can't write, and mostly
// would accept.
func TestParseRefusesJSON(t *testing.T) {
	t.Parallel()
	const valid = `"` + v1Key + `":{` + validInner + `}`
	for name, tt := range map[string]struct{ doc, path, reason string }{
		"empty":              {"", "", "the document is empty"},
		"white space":        {" \n", "", "unexpected end of JSON input"},
		"text":               {"{" + valid + "} x", "", "invalid character 'x' after top-level value"},
		"second document":    {"{" + valid + "}{}", "", "not valid JSON"},
		"NUL after it":       {"{" + valid + "}\x00", "", `invalid character '\x00'`},
		"truncated":          {"{" + valid, "", "unexpected end of JSON input"},
		"byte order mark":    {"\ufeff{" + valid + "}", "", "not valid JSON"},
		"trailing comma":     {"{" + valid + ",}", "", "not valid JSON"},
		"comment":            {"{" + valid + "/**/}", "", "not valid JSON"},
		"raw control byte":   {`{"a":"x` + "\n" + `"}`, "", "not valid JSON"},
		"raw NUL":            {`{"a":"x` + "\x00" + `"}`, "", "not valid JSON"},
		"unknown escape":     {`{"a":"\x41"}`, "", "not valid JSON"},
		"unpaired bracket":   {"}", "", "not valid JSON"},
		"NaN":                {`{"a":NaN}`, "", "not valid JSON"},
		"huge number":        {`{"a":{"b":[0,-1e999]}}`, "a.b[1]", "number is out of range"},
		"duplicate":          {`{"a":1,` + valid + `,"a":1}`, "a", "key stands twice"},
		"duplicate bootspec": {"{" + valid + "," + valid + "}", v1Key, "key stands twice"},
		"duplicate kernel":   {`{"` + v1Key + `":{` + validInner + `,"kernel":"/k"}}`, v1Key + ".kernel", "key stands twice"},
		"escaped duplicate":  {`{"a":{"key":1,"k\u0065y":2}}`, "a.key", "key stands twice"},
		"deep duplicate":     {`{"a":[0,{"b":[{"c":1,"c":1}]}]}`, "a[1].b[0].c", "key stands twice"},
		"odd duplicate":      {`{"a":{"b c":1,"b c":1}}`, `a["b c"]`, "key stands twice"},
		"invalid UTF-8":      {`{"a":["x` + "\xff" + `"]}`, "a[0]", "is not valid UTF-8"},
		"overlong UTF-8":     {`{"a":"` + "\xc0\x80" + `"}`, "a", "is not valid UTF-8"},
		"invalid UTF-8 key":  {`{"` + "\xff" + `":1}`, `["\xff"]`, "key is not valid UTF-8"},
		"surrogate in UTF-8": {`{"a":"` + "\xed\xa0\x80" + `"}`, "a", "is not valid UTF-8"},
		"high surrogate":     {`{"a":"\ud800"}`, "a", "half of a surrogate pair"},
		"high, then text":    {`{"a":"\ud800x\udc00"}`, "a", "half of a surrogate pair"},
		"high twice":         {`{"a":"\ud800\ud800\udc00"}`, "a", "half of a surrogate pair"},
		"low surrogate":      {`{"a":"\uDC00"}`, "a", "half of a surrogate pair"},
		"pair, then low":     {`{"a":"\ud83d\ude00\ude00"}`, "a", "half of a surrogate pair"},
		"surrogate in a key": {`{"a":{"\udfff":1}}`, `a["�"]`, "key contains half of a surrogate pair"},
		"NUL":                {`{"a":{"b":"x\u0000y"}}`, "a.b", "contains a NUL"},
		"NUL in a key":       {`{"\u0000":1}`, `["\x00"]`, "key contains a NUL"},
		"long key":           {`{"` + strings.Repeat("k", 100) + `":1e999}`, `["` + strings.Repeat("k", 80) + `"…]`, "out of range"},
		"too many lists":     {strings.Repeat("[", bootspec.MaxDepth+1), "", "nested more than 64 levels deep at byte 64"},
		"escape, no text":    {strings.Repeat("[", bootspec.MaxDepth) + `\[`, "", "nested more than 64 levels deep at byte 65"},
		"a bomb of lists":    {strings.Repeat("[", bootspec.MaxSize), "", "nested more than 64 levels deep"},
		"a bomb of objects":  {strings.Repeat(`{"a":`, bootspec.MaxSize/5), "", "nested more than 64 levels deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, []byte(tt.doc), tt.path, tt.reason)
		})
	}
}

func TestParseAcceptsJSON(t *testing.T) {
	t.Parallel()
	const valid = `"` + v1Key + `":{` + validInner + `}`
	deep := strings.Repeat("[", bootspec.MaxDepth-1) + strings.Repeat("]", bootspec.MaxDepth-1)
	for name, doc := range map[string]string{
		"surrogate pair":        `{` + valid + `,"a":"\ud83d\ude00"}`,
		"escaped backslash":     `{` + valid + `,"a":"\\ud800 \\u0000"}`,
		"replacement character": `{` + valid + `,"a":"\ufffd"}`,
		"same key elsewhere":    `{` + valid + `,"a":{"x":1},"b":{"x":1},"x":[{"x":1},{"x":1}]}`,
		"keys that differ":      `{` + valid + `,"a":1,"A":1,"\u00e9":1,"e\u0301":1}`,
		"as deep as allowed":    `{` + valid + `,"a":` + deep + `}`,
		"brackets in text":      `{` + valid + `,"a":"` + strings.Repeat(`\"[{`, 100) + `"}`,
		"white space around":    " \t\r\n{" + valid + "}\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := bootspec.Parse([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			if d.Kernel != "/k" {
				t.Errorf("kernel %q, want /k", d.Kernel)
			}
		})
	}
}

func TestEscapesAreDecoded(t *testing.T) {
	t.Parallel()
	doc := `{"` + v1Key + `":{"syst\u0065m":"\u0078","init":"\/t\/init","kernel":"\/k","kernelParams":["\t\"\\ \ud83d\ude00"],"label":"\u00e9","toplevel":"/t"}}`
	d, err := bootspec.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if d.System != "x" || d.Init != "/t/init" || d.Label != "é" || d.KernelParams[0] != "\t\"\\ 😀" {
		t.Errorf("decoded %q", []string{d.System, d.Init, d.Label, d.KernelParams[0]})
	}
}
