package bootspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// parseTree turns bytes into a JSON tree that means the same to every reader. gjson alone
// is not enough: it accepts duplicate keys, text that is not Unicode and numbers that
// nothing can hold, and it recurses as deeply as the input says.
func parseTree(b []byte) (gjson.Result, error) {
	if len(b) > MaxSize {
		return gjson.Result{}, &Error{
			Reason:   fmt.Sprintf("%v: %d bytes, where %d are allowed", ErrTooLarge, len(b), MaxSize),
			sentinel: ErrTooLarge,
		}
	}
	if offset := tooDeep(b); offset >= 0 {
		return gjson.Result{}, &Error{Reason: fmt.Sprintf("nested more than %d levels deep at byte %d", MaxDepth, offset)}
	}
	if !gjson.ValidBytes(b) {
		return gjson.Result{}, &Error{Reason: "not valid JSON: " + syntaxFault(b)}
	}
	root := gjson.ParseBytes(b)
	if err := checkValue(root); err != nil {
		return gjson.Result{}, err
	}
	return root, nil
}

// tooDeep returns the offset of the bracket that opens level MaxDepth+1, or -1. It has to
// work on anything, since it runs before the syntax is known to be good.
func tooDeep(b []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

// syntaxFault tells what gjson doesn't: where the syntax breaks, and how.
func syntaxFault(b []byte) string {
	var raw json.RawMessage
	err := json.Unmarshal(b, &raw)
	var syntax *json.SyntaxError
	switch {
	case len(b) == 0:
		return "the document is empty"
	case errors.As(err, &syntax):
		return fmt.Sprintf("%v (byte %d)", err, syntax.Offset)
	default:
		return "malformed"
	}
}

// checkValue checks a value and all that lies in it; the depth is bounded by now. The path
// of an error is put together on the way out, since most values need none.
func checkValue(v gjson.Result) *Error {
	switch {
	case v.IsObject():
		return checkObject(v)
	case v.IsArray():
		return checkArray(v)
	case v.Type == gjson.String:
		if reason := encodingFault(v.Raw); reason != "" {
			return &Error{Reason: reason}
		}
	case v.Type == gjson.Number:
		if _, err := strconv.ParseFloat(v.Raw, 64); err != nil {
			return &Error{Reason: "number is out of range"}
		}
	}
	return nil
}

func checkArray(v gjson.Result) (err *Error) {
	i := 0
	v.ForEach(func(_, item gjson.Result) bool {
		if err = checkValue(item); err != nil {
			err.Path = concat(element("", i), err.Path)
		}
		i++
		return err == nil
	})
	return err
}

func checkObject(v gjson.Result) (err *Error) {
	seen := make(map[string]bool)
	v.ForEach(func(key, value gjson.Result) bool {
		if reason := encodingFault(key.Raw); reason != "" {
			err = &Error{Reason: "key " + reason}
		} else if seen[key.Str] {
			err = &Error{Reason: "key stands twice"}
		} else {
			seen[key.Str] = true
			err = checkValue(value)
		}
		if err != nil {
			err.Path = concat(join("", key.Str), err.Path)
		}
		return err == nil
	})
	return err
}

// encodingFault says why a string literal is not plain Unicode text without NUL, or "".
// It looks at the literal, because decoding puts U+FFFD in place of what was wrong. The
// literal's syntax is valid by now.
func encodingFault(literal string) string {
	if !utf8.ValidString(literal) {
		return "is not valid UTF-8"
	}
	for i := 0; i < len(literal); i++ {
		if literal[i] != '\\' {
			continue
		}
		i++
		if literal[i] != 'u' {
			continue
		}
		switch r := codeUnit(literal[i:]); {
		case r == 0:
			return "contains a NUL"
		case isLowSurrogate(r), isHighSurrogate(r) && !isLowSurrogate(escapedUnit(literal[i+5:])):
			return "contains half of a surrogate pair"
		case isHighSurrogate(r):
			i += 6 // the low half, checked just now
		}
		i += 4
	}
	return ""
}

// escapedUnit reads an escape such as \udc00 at the start of s; -1 if there is none.
func escapedUnit(s string) int64 {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	return codeUnit(s[1:])
}

// codeUnit reads the four digits after the u that s starts with.
func codeUnit(s string) int64 {
	r, err := strconv.ParseInt(s[1:5], 16, 32)
	if err != nil {
		return -1
	}
	return r
}

func isHighSurrogate(r int64) bool { return 0xd800 <= r && r < 0xdc00 }
func isLowSurrogate(r int64) bool  { return 0xdc00 <= r && r < 0xe000 }
