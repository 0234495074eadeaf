package content

import (
	"bytes"
	"context"
)

// Stripped is an image without its debug sections: the source itself where it has none, else a
// file made for this run. The same image gives the same bytes each time.
func (r *Reader) Stripped(ctx context.Context, s Source) (Source, error) {
	if made, ok := r.stripped[s]; ok {
		return made, nil
	}
	file, image, err := r.openImage(s)
	if err != nil {
		return s, err
	}
	defer file.Close()
	made := s
	if without, dropped := image.WithoutDebug(); len(dropped) > 0 {
		a, err := without.Append()
		if err != nil {
			return s, err
		}
		var b bytes.Buffer
		streamed, err := a.Stream(cancelableBuffer{ctx, &b})
		if err != nil {
			return s, err
		}
		patch := streamed.Unsigned()
		copy(b.Bytes()[patch.Offset:], patch.Data)
		made = r.AddMade(r.Path(s)+" without debug sections", bytes.NewReader(b.Bytes()), int64(b.Len()))
	}
	r.stripped[s] = made
	return made, nil
}

type cancelableBuffer struct {
	ctx context.Context
	*bytes.Buffer
}

func (c cancelableBuffer) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Buffer.Write(p)
}
