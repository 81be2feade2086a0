/**
 * The floor: the bare node:crypto operations that something cannot do without, every required
 * verification among them, each timed here and now. P-256 throughout.
 */
import {
  type KeyObject,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'

export interface Operation {
  readonly name: string
  /** How often it is needed of the server, for one device. */
  readonly count: number
  /** For what, so that a reader can check the count. */
  readonly where: string
  readonly run: () => void
}

export interface Floor {
  /** Milliseconds of CPU for one device. */
  readonly ms: number
  readonly operations: Readonly<
    Record<string, { readonly count: number; readonly us: number; readonly where: string }>
  >
}

const MESSAGE_BYTES = 512

export function measureFloor(needed: readonly Operation[]): Floor {
  const operations: Record<string, { count: number; us: number; where: string }> = {}
  let us = 0
  for (const operation of needed) {
    const cost = timed(operation.run)
    operations[operation.name] = {
      count: operation.count,
      us: Math.round(cost * 100) / 100,
      where: operation.where,
    }
    us += cost * operation.count
  }
  return { ms: us / 1000, operations }
}

/** What signing, verifying and hashing are of themselves. */
export function signatures() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = randomBytes(MESSAGE_BYTES)
  const signing = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  const verifying = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  const signature = sign('sha256', data, signing)
  return {
    publicKey,
    sign: () => void sign('sha256', data, signing),
    verify: () => void verify('sha256', data, verifying, signature),
    hash: () => void createHash('sha256').update(data).digest(),
  }
}

/**
 * One onboarding: ECDH256, A128GCM, one voucher entry, one certificate over fdo.csr, and `rounds`
 * pairs of 68 and 69.
 */
export function onboarding(rounds: number): readonly Operation[] {
  const { publicKey, ...bare } = signatures()
  const data = randomBytes(MESSAGE_BYTES)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const sealed = seal(data)
  return [
    {
      name: 'P-256 sign',
      count: 6,
      where: 'DI device certificate, voucher entry; TO0 to1d; TO2 61, 65, device certificate',
      run: bare.sign,
    },
    {
      name: 'P-256 verify',
      count: 7,
      where: 'DI request; TO0 device chain, voucher entry, to1d; TO1 32; TO2 64, request',
      run: bare.verify,
    },
    {
      name: 'P-256 key import',
      count: 2,
      where: 'DI device key; TO2 certificate request key',
      run: () => void importKey(spki),
    },
    { name: 'ECDH P-256 key', count: 1, where: 'TO2 60', run: () => void ecdhKey() },
    { name: 'ECDH P-256 derive', count: 1, where: 'TO2 64', run: derive() },
    {
      name: 'HMAC-SHA-256',
      count: 1,
      where: 'TO2 64 key derivation',
      run: () => void createHmac('sha256', KEY).update(data).digest(),
    },
    {
      name: 'SHA-256',
      count: 10,
      where: 'certificate chain, entry (2), header, to0d (2), voucher checks (3), 60',
      run: bare.hash,
    },
    {
      name: 'AES-128-GCM encrypt',
      count: 3 + rounds,
      where: `TO2 65, 67, 71, ${rounds} × 69`,
      run: () => void seal(data),
    },
    {
      name: 'AES-128-GCM decrypt',
      count: 2 + rounds,
      where: `TO2 66, 70, ${rounds} × 68`,
      run: () => open(sealed),
    },
  ]
}

const KEY = randomBytes(16)

function seal(data: Buffer): { iv: Buffer; body: Buffer; tag: Buffer } {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-128-gcm', KEY, iv)
  const body = Buffer.concat([cipher.update(data), cipher.final()])
  return { iv, body, tag: cipher.getAuthTag() }
}

function open({ iv, body, tag }: { iv: Buffer; body: Buffer; tag: Buffer }): void {
  const decipher = createDecipheriv('aes-128-gcm', KEY, iv)
  decipher.setAuthTag(tag)
  Buffer.concat([decipher.update(body), decipher.final()])
}

function importKey(spki: Buffer): KeyObject {
  return createPublicKey({ key: spki, format: 'der', type: 'spki' })
}

function ecdhKey() {
  const exchange = createECDH('prime256v1')
  exchange.generateKeys()
  return exchange
}

function derive(): () => void {
  const exchange = ecdhKey()
  const peer = ecdhKey().getPublicKey()
  return () => void exchange.computeSecret(peer)
}

/** Microseconds of CPU for one call: the median of several batches, after a warm-up. */
function timed(run: () => void): number {
  for (let i = 0; i < 300; i++) run()
  const batches: number[] = []
  for (let batch = 0; batch < 9; batch++) {
    const before = process.cpuUsage()
    for (let i = 0; i < 400; i++) run()
    const { user, system } = process.cpuUsage(before)
    batches.push((user + system) / 400)
  }
  return batches.sort((a, b) => a - b)[4] ?? 0
}
