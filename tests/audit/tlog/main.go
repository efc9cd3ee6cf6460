// Command tlog reads a node's published log as any client of C2SP tlog-tiles would, with other
// people's code: torchwood fetches, x/mod hashes tiles up to the checkpoint and opens the note.
//
//	tlog -vkey VKEY [-ca FILE] https://HOST:PORT/log/0
//	tlog -vkey VKEY FOLDER
//
// Every entry goes to standard output as its length (four bytes, big-endian) and its bytes. Every
// tile, full or partial, has been compared with the tree of the checkpoint, and a proof of every entry
// in -proofs made from tiles and checked.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	vkey := flag.String("vkey", "", "the log's verifier key")
	ca := flag.String("ca", "", "PEM of the authority behind the server's certificate")
	proofs := flag.String("proofs", "", "indexes of entries to prove, with commas between")
	flag.Parse()
	if err := run(flag.Arg(0), *vkey, *ca, *proofs); err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}

func run(where, vkey, ca, proofs string) error {
	if !strings.HasPrefix(where, "http") {
		server := httptest.NewServer(http.FileServer(http.Dir(where)))
		defer server.Close()
		where = server.URL
	}
	client, err := httpClient(ca)
	if err != nil {
		return err
	}
	fetcher, err := torchwood.NewTileFetcher(where, torchwood.WithHTTPClient(client), torchwood.WithConcurrencyLimit(8))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tree, err := head(ctx, fetcher, vkey)
	if err != nil {
		return err
	}
	if err := checkTiles(ctx, fetcher, tree); err != nil {
		return err
	}
	reader, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	if err := writeEntries(ctx, reader, tree); err != nil {
		return err
	}
	return prove(ctx, reader, tree, proofs)
}

func httpClient(ca string) (*http.Client, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	if ca == "" {
		return client, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", ca)
	}
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	return client, nil
}

func head(ctx context.Context, fetcher *torchwood.TileFetcher, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	if checkpoint.Origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint of %s signed by %s", checkpoint.Origin, verifier.Name())
	}
	return checkpoint.Tree, nil
}

// checkTiles computes every tile of the tree from hashes that were proven up to its root, and compares
// it with the file. tlog.NewTiles names the tiles that a tree of this size has.
func checkTiles(ctx context.Context, fetcher *torchwood.TileFetcher, tree tlog.Tree) error {
	hashes := torchwood.TileHashReaderWithContext(ctx, tree, fetcher)
	for _, tile := range tlog.NewTiles(torchwood.TileHeight, 0, tree.N) {
		proven, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return err
		}
		found, err := fetcher.ReadEndpoint(ctx, torchwood.TilePath(tile))
		if err != nil {
			return err
		}
		if !bytes.Equal(proven, found) {
			return fmt.Errorf("%s is not of the tree of %d", torchwood.TilePath(tile), tree.N)
		}
	}
	return nil
}

func writeEntries(ctx context.Context, reader *torchwood.Client, tree tlog.Tree) error {
	out := bufio.NewWriter(os.Stdout)
	next := int64(0)
	for next < tree.N {
		before := next
		for index, entry := range reader.Entries(ctx, tree, next) {
			if index != next {
				return fmt.Errorf("entry %d where %d is due", index, next)
			}
			if err := binary.Write(out, binary.BigEndian, uint32(len(entry))); err != nil {
				return err
			}
			if _, err := out.Write(entry); err != nil {
				return err
			}
			next++
		}
		if err := reader.Err(); err != nil {
			return err
		}
		if next == before {
			return fmt.Errorf("nothing after entry %d of %d", next, tree.N)
		}
	}
	return out.Flush()
}

func prove(ctx context.Context, reader *torchwood.Client, tree tlog.Tree, proofs string) error {
	for _, text := range strings.FieldsFunc(proofs, func(r rune) bool { return r == ',' }) {
		index, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		entry, proof, err := reader.Entry(ctx, tree, index)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
			return err
		}
	}
	return nil
}
