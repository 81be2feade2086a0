import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { findChainFlaw } from '../../../../protocol/x509/chain.ts'
import { integer } from '../../../../protocol/x509/der.ts'
import {
  CA_USAGE,
  type CertificateOrder,
  EC,
  EC_384,
  EC_SHA1,
  NOT_AFTER,
  NOT_BEFORE,
  RSA,
  RSA_384,
  RSA_512,
  RSA_SHA1,
  certificateOf,
  ecKey,
  extension,
  freshRsaKey,
  rsaKey,
} from '../../../support/certificates.ts'
import { partsOf, voucherVectors } from '../../../support/vouchers.ts'

const [rootKey, caKey, leafKey, otherKey] = [ecKey(), ecKey(), ecKey(), ecKey()]
const ROOT = { key: rootKey, subject: 'root', isCa: true, keyUsage: CA_USAGE }
const CA = { key: caKey, subject: 'ca', isCa: true, keyUsage: CA_USAGE, issuer: ROOT }
const LEAF = { key: leafKey, subject: 'leaf', issuer: CA }

const root = certificateOf(ROOT)
const ca = certificateOf(CA)
const leaf = certificateOf(LEAF)

/** The chain of three, with some of it changed. */
function chainWith(changes: {
  leaf?: Partial<CertificateOrder>
  ca?: Partial<CertificateOrder>
  root?: Partial<CertificateOrder>
}) {
  const orders = [
    { ...LEAF, ...changes.leaf },
    { ...CA, ...changes.ca },
    { ...ROOT, ...changes.root },
  ]
  return orders.map(certificateOf)
}

describe('a chain holds', () => {
  it('from a leaf over a CA to a root', async () => {
    expect(await findChainFlaw([leaf, ca, root])).toBeUndefined()
    expect(new X509Certificate(leaf).verify(new X509Certificate(ca).publicKey)).toBe(true)
  })

  it('of one certificate, which is then trusted as it stands', async () => {
    expect(await findChainFlaw([leaf])).toBeUndefined()
  })

  it('with an EC leaf of a 97-character name, an EC CA and an RSA-4096 root', async () => {
    const key = rsaKey(4096)
    for (const algorithm of [RSA, RSA_384, RSA_512]) {
      const issuer = { ...ROOT, key }
      const chain = chainWith({
        leaf: { subject: 'x'.repeat(97), algorithm: EC_384 },
        ca: { issuer, algorithm },
        root: { key, algorithm },
      })
      expect(await findChainFlaw(chain, { anchors: [chain[2]!] })).toBeUndefined()
    }
  })

  it('with P-384 and P-521 authorities', async () => {
    for (const curve of ['P-384', 'P-521']) {
      const key = ecKey(curve)
      const chain = chainWith({ ca: { issuer: { ...ROOT, key } }, root: { key } })
      expect(await findChainFlaw(chain)).toBeUndefined()
    }
  })

  it('in every voucher of the vectors', async () => {
    for (const { name } of voucherVectors) {
      const { chain } = partsOf(name)
      const now = new Date('2026-11-22')
      expect(await findChainFlaw(chain, { anchors: chain.slice(-1), now })).toBeUndefined()
    }
  })

  it('below a trusted certificate of version 1, which has no marks', async () => {
    expect(await findChainFlaw(chainWith({ root: { version: 1 } }))).toBeUndefined()
  })

  it('with other keys of the same CA in between, which its path length does not count', async () => {
    const [first, second] = [ecKey(), ecKey()]
    const selfIssued = { ...CA, subject: 'root', key: second, issuer: { ...ROOT, key: first } }
    const chain = [
      { ...CA, issuer: selfIssued, pathLength: 0 },
      selfIssued,
      { ...ROOT, key: first, pathLength: 1 },
    ].map(certificateOf)
    expect(await findChainFlaw([leaf, ...chain])).toBeUndefined()
  })
})

describe('anchors', () => {
  it('may end the chain, stand above its last, or somewhere in it', async () => {
    for (const anchor of [root, ca, leaf]) {
      expect(await findChainFlaw([leaf, ca, root], { anchors: [anchor] })).toBeUndefined()
    }
    expect(await findChainFlaw([leaf, ca], { anchors: [root] })).toBeUndefined()
    expect(await findChainFlaw([leaf], { anchors: [ca] })).toBeUndefined()
  })

  it('are known by name and key: the same CA in a newer certificate will do', async () => {
    const newer = certificateOf({ ...ROOT, notAfter: new Date('2058-01-01') })
    expect(await findChainFlaw([leaf, ca, root], { anchors: [newer] })).toBeUndefined()
  })

  it('of the same name are all tried', async () => {
    const namesake = certificateOf({ ...ROOT, key: otherKey })
    expect(await findChainFlaw([leaf, ca], { anchors: [namesake, root] })).toBeUndefined()
    expect(await findChainFlaw([leaf, ca], { anchors: [namesake] })).toMatch(/signature/)
  })

  it('that the chain does not lead to make it worthless', async () => {
    const stranger = certificateOf({ ...ROOT, key: otherKey, subject: 'stranger' })
    expect(await findChainFlaw([leaf, ca, root], { anchors: [stranger] })).toMatch(/no trusted/)
    expect(await findChainFlaw([leaf, ca, root], { anchors: [] })).toMatch(/no trusted/)
  })

  it('are held to their own limits, not to those a chain claims for them', async () => {
    const expired = certificateOf({ ...ROOT, notAfter: new Date('2026-02-01') })
    const now = new Date('2026-11-22')
    expect(await findChainFlaw([leaf, ca, root], { anchors: [expired], now })).toMatch(/expired/)
  })

  it('with a name of theirs under another key do not lend it trust', async () => {
    const chain = chainWith({ ca: { issuer: { ...ROOT, key: otherKey } }, root: { key: otherKey } })
    expect(await findChainFlaw(chain, { anchors: [root] })).toMatch(/signature/)
  })
})

describe('a chain is flawed', () => {
  const flawed: [string, Uint8Array[], RegExp][] = [
    ['if it is empty', [], /no certificates/],
    ['if it is endless', Array(17).fill(leaf), /too many/],
    ['if it holds no certificate', [leaf, new Uint8Array(4)], /DER/],
    ['if the order is wrong', [leaf, root, ca], /another name/],
    ['if the issuer has another name', chainWith({ ca: { subject: 'c a' } }), /another name/],
    [
      'if the issuer has another key',
      chainWith({ ca: { key: otherKey } }),
      /certificate 0: a signature/,
    ],
    ['if a CA in between says it is none', chainWith({ ca: { isCa: false } }), /not a CA/],
    ['if a CA in between says nothing', chainWith({ ca: { isCa: undefined } }), /not a CA/],
    ['if the last one says it is none', chainWith({ root: { isCa: false } }), /not a CA/],
    ['if the CA may not sign certificates', chainWith({ ca: { keyUsage: 1 } }), /may not sign/],
    ['if more CAs follow than allowed', chainWith({ root: { pathLength: 0 } }), /more CAs/],
    ['if it is signed with SHA-1', chainWith({ leaf: { algorithm: EC_SHA1 } }), /signature/],
    [
      'if its algorithm is for another kind of key',
      chainWith({ leaf: { algorithm: { hash: EC.hash, identifier: RSA.identifier } } }),
      /signature/,
    ],
    [
      'if it demands something unknown',
      chainWith({ leaf: { extensions: [extension('1.2.3', integer(1))] } }),
      /unknown critical extension 1\.2\.3/,
    ],
  ]
  for (const [what, chain, flaw] of flawed) {
    it(what, async () => {
      expect(await findChainFlaw(chain)).toMatch(flaw)
    })
  }

  it('if an RSA authority signs with SHA-1', async () => {
    const key = rsaKey()
    const issuer = { ...ROOT, key }
    const chain = chainWith({ ca: { issuer, algorithm: RSA_SHA1 }, root: { key, algorithm: RSA } })
    expect(await findChainFlaw(chain)).toMatch(/signature/)
  })

  it('if an authority has a key that nobody should trust', async () => {
    for (const key of [freshRsaKey(1024), ecKey('secp256k1')]) {
      const issuer = { ...ROOT, key }
      const algorithm = key.asymmetricKeyType === 'rsa' ? RSA : EC
      const chain = chainWith({ ca: { issuer, algorithm }, root: { key, algorithm } })
      expect(await findChainFlaw(chain)).toMatch(/kind of key/)
    }
  })

  it('outside of its time, if there is one to hold it against', async () => {
    const before = new Date(NOT_BEFORE.getTime() - 1)
    const after = new Date(NOT_AFTER.getTime() + 1)
    expect(await findChainFlaw([leaf, ca, root], { now: before })).toMatch(/not valid yet/)
    expect(await findChainFlaw([leaf, ca, root], { now: after })).toMatch(/expired/)
    for (const now of [NOT_BEFORE, NOT_AFTER]) {
      expect(await findChainFlaw([leaf, ca, root], { now })).toBeUndefined()
    }
  })
})
