package content

import (
	"io"
	"io/fs"
	"time"
)

// AddMade gives the reader a file that was made for this run, under a name for messages.
func (r *Reader) AddMade(name string, content io.ReaderAt, size int64) Source {
	r.made[name] = made{content, size}
	return Source{Made: name}
}

// made is a file without a name on any disk.
type made struct {
	content io.ReaderAt
	size    int64
}

func (m made) open(name string) (Opened, error) {
	if m.content == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openedMade{io.NewSectionReader(m.content, 0, m.size), name}, nil
}

type openedMade struct {
	*io.SectionReader
	name string
}

func (o *openedMade) Close() error               { return nil }
func (o *openedMade) Stat() (fs.FileInfo, error) { return madeInfo{o}, nil }

// madeInfo describes it as far as anybody asks.
type madeInfo struct{ *openedMade }

func (i madeInfo) Name() string       { return i.name }
func (i madeInfo) Mode() fs.FileMode  { return 0o600 }
func (i madeInfo) ModTime() time.Time { return time.Time{} }
func (i madeInfo) IsDir() bool        { return false }
func (i madeInfo) Sys() any           { return nil }
