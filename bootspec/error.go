package bootspec

import (
	"errors"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

var (
	// ErrTooLarge is wrapped by the error for a document of more than [MaxSize] bytes.
	ErrTooLarge = errors.New("bootspec document is too large")
	// ErrNoBootspec is wrapped by the error for a JSON object without the key
	// org.nixos.bootspec.v1, such as the documents from before RFC 125 was merged.
	ErrNoBootspec = errors.New("not a version 1 bootspec document")
)

// Error says what is wrong with a document, and where.
type Error struct {
	// Path is the JSON path of the offending value, such as
	// org.xenproject.bootspec.v2.params[3]. Keys that are not plain are quoted. It is empty
	// for what concerns the document as a whole.
	Path string
	// Reason is printable text on one line.
	Reason string

	sentinel error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// Unwrap returns [ErrTooLarge] or [ErrNoBootspec] where one of them applies.
func (e *Error) Unwrap() error { return e.sentinel }

// join appends a key to a JSON path. Keys come from the document: what could be mistaken
// for a part of the path, or upset a terminal, is quoted.
func join(path, key string) string {
	if !isPlainKey(key) {
		return path + "[" + quote(key) + "]"
	}
	return concat(path, key)
}

func isPlainKey(key string) bool {
	for _, r := range key {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case strings.ContainsRune("._+-", r):
		default:
			return false
		}
	}
	return key != "" && len(key) <= maxQuoted && strings.Trim(key, ".") == key
}

// element appends an index to a JSON path.
func element(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// concat puts two JSON paths together.
func concat(path, rest string) string {
	if path == "" || rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}

// maxQuoted is how many bytes of a document an error message repeats at most.
const maxQuoted = 80

func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

// kind names the type of a value the way it's said in a sentence.
func kind(v gjson.Result) string {
	switch {
	case v.IsObject():
		return "an object"
	case v.IsArray():
		return "a list"
	}
	switch v.Type {
	case gjson.String:
		return "a string"
	case gjson.Number:
		return "a number"
	case gjson.True, gjson.False:
		return "a boolean"
	default:
		return "null"
	}
}
