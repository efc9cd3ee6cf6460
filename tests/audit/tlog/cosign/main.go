// Command cosign makes and checks cosignatures with other people's code: torchwood and x/mod's note package.
//
//	cosign -name NAME -log VKEY     < NOTE    the cosigner's verifier key, and NOTE with its cosignature
//	cosign -check VKEY -log VKEY    < NOTE    succeeds where both signatures hold
package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	name := flag.String("name", "", "as whom to cosign, with a new key")
	check := flag.String("check", "", "the verifier key of a cosigner")
	log := flag.String("log", "", "the verifier key of the log")
	flag.Parse()
	if err := run(*name, *check, *log); err != nil {
		fmt.Fprintln(os.Stderr, "cosign:", err)
		os.Exit(1)
	}
}

func run(name, check, log string) error {
	signed, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	logKey, err := note.NewVerifier(log)
	if err != nil {
		return err
	}
	if check == "" {
		return cosign(name, signed, logKey)
	}
	cosigner, err := verifier(check)
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(logKey, cosigner))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != 2 {
		return fmt.Errorf("%d signatures hold, not 2", len(opened.Sigs))
	}
	_, err = torchwood.ParseCheckpoint(opened.Text)
	return err
}

// known is a key that cannot sign: torchwood makes a verifier from a signer only.
type known struct{ ed25519.PublicKey }

func (k known) Public() crypto.PublicKey { return k.PublicKey }

func (k known) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("only a public key")
}

// verifier is of this verifier key, which must be the one that torchwood writes.
func verifier(vkey string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize {
		return nil, fmt.Errorf("no verifier key: %s", vkey)
	}
	signer, err := torchwood.NewCosignatureSigner(name, known{ed25519.PublicKey(key[1:])})
	if err != nil {
		return nil, err
	}
	if said := signer.Verifier().String(); said != vkey {
		return nil, fmt.Errorf("verifier key %s, not %s", said, vkey)
	}
	return signer.Verifier(), nil
}

func cosign(name string, signed []byte, logKey note.Verifier) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := torchwood.NewCosignatureSigner(name, key)
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(logKey))
	if err != nil {
		return err
	}
	both, err := note.Sign(opened, signer)
	if err != nil {
		return err
	}
	fmt.Println(signer.Verifier().String())
	_, err = os.Stdout.Write(both)
	return err
}
