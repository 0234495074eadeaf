package bootbuilder

import "errors"

// hinted is an error with a word on what the user can do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint adds a word on what the user can do about err. A nil err stays nil.
func WithHint(err error, hint string) error { return withHint(err, hint) }

func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// Hint is what the user can do about err, or "".
func Hint(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
