import { describe, expect, it } from 'vitest'
import { toBase64, toHex } from '../../../../protocol/bytes.ts'
import { scan } from '../../../../protocol/cbor/scan.ts'
import { deviceModulesFor } from '../../../../protocol/fsim/device-modules.ts'
import { downloadDevice } from '../../../../protocol/fsim/download/device.ts'
import { fdoSysDevice } from '../../../../protocol/fsim/fdo-sys/device.ts'
import { fileStep, identityStep, tokenStep } from '../../../../protocol/fsim/steps.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import type { PlanStep } from '../../../../protocol/service-info/plan.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import type { KeyValue } from '../../../../protocol/service-info/service-info.ts'
import { MemoryHost, hostKey } from '../../../support/memory-host.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'

const PATH = 'etc/token.json'
const WANTED = { audience: null, scopes: ['device:whoami'] }
const token = (required = true) => tokenStep({ name: 'token', required }, { name: PATH, ...WANTED })

/** An identity, then a token, and what may stand between them or after. */
function ownerOf(steps: readonly PlanStep[] = [token()], options = {}): OwnerWorld {
  return new OwnerWorld(
    (device): readonly PlanStep[] => [
      identityStep({ name: 'identity', required: true }, device),
      ...steps,
    ],
    options,
  )
}

const certificatesOf = ({ issuer, tokens }: OwnerWorld) => [
  issuer.issued.map(({ certificate }) => toHex(certificate)),
  tokens.issued.map(({ certificate }) => toHex(certificate)),
]

describe('a token', () => {
  it.each([
    ['fdo.csr', (host: MemoryHost) => deviceModulesFor(host)],
    ['fdo.download', (host: MemoryHost) => deviceModules(downloadDevice(host))],
    ['fdo_sys', (host: MemoryHost) => deviceModules(fdoSysDevice(host))],
  ])('is bound to the certificate that came by %s, and is a file like others', async (_, of) => {
    const [owner, host] = [ownerOf(), new MemoryHost()]
    await converse(owner, host, new DeviceSession(ABOUT, of(host)))
    expect(host.text(PATH)).toBe('{"access_token":"token 1"}')
    const [issued, bound] = certificatesOf(owner)
    expect(issued).toHaveLength(1)
    expect(bound).toEqual(issued)
    expect(owner.tokens.issued).toMatchObject([WANTED])
    const module = of(host).has('fdo.download') ? 'fdo.download' : 'fdo_sys'
    expect(owner.effectsOf('token-issued')).toEqual([
      { type: 'token-issued', scopes: ['device:whoami'], module },
    ])
    expect(owner.effectsOf('step-done').map(({ step }) => step)).toEqual(['identity', 'token'])
  })

  it('is made when all before it is done, though files do not wait', async () => {
    const owner: OwnerWorld = ownerOf([
      fileStep({ name: 'file', required: true }, contentOf('a file')),
      token(),
    ])
    function contentOf(text: string) {
      return { name: text, ref: text, length: 0, sha384: new Uint8Array(48) }
    }
    const modules = ['fdo.csr', 'fdo.download']
    expect(keysOf(await owner.say(devmodPairs(modules)))).toContain('fdo.download:data')
    await owner.say([pair('fdo.download:done', 0)])
    expect(owner.tokens.issued).toEqual([])
    const reply = await owner.say([await enroll(), pair('fdo.csr:cacerts-req', 281)])
    expect(keysOf(reply).slice(-4)).toEqual(
      ['name', 'length', 'sha-384', 'data'].map((one) => `fdo.download:${one}`),
    )
    const [issued, bound] = certificatesOf(owner)
    expect(bound).toEqual(issued)
  })

  it('waits for a certificate that is made in the end, because the device asks for none', async () => {
    const owner = ownerOf()
    await owner.say(devmodPairs(['fdo.csr', 'fdo.download'], { device: 'FDO-Pri-Device' }))
    let pairs: KeyValue[] = []
    for (let rounds = 0; !owner.session.isDone && rounds < 30; rounds++) {
      const { serviceInfo } = await owner.say(pairs)
      pairs = serviceInfo
        .filter(({ key }) => key === 'fdo.download:length')
        .map(({ value }) => ({ key: 'fdo.download:done', value }))
    }
    expect(owner.session.isDone).toBe(true)
    const [issued, bound] = certificatesOf(owner)
    expect(issued).toHaveLength(1)
    expect(bound).toEqual(issued)
  })

  it('is bound to the last of several certificates', async () => {
    const owner = ownerOf()
    await owner.say(devmodPairs(['fdo.csr', 'fdo.download']))
    await owner.say([await enroll(), await enroll('simplereenroll-req')])
    await owner.say([pair('fdo.csr:cacerts-req', 281)])
    const [issued = [], bound] = certificatesOf(owner)
    expect(issued).toHaveLength(2)
    expect(bound).toEqual([issued[1]])
  })

  it('is kept in the session until it is delivered, and no longer', async () => {
    const owner = ownerOf()
    await owner.say(devmodPairs(['fdo.csr', 'fdo.download']))
    await owner.say([await enroll(), pair('fdo.csr:cacerts-req', 281)])
    const text = Buffer.from('"access_token"')
    expect(Buffer.from(owner.packed).includes(text)).toBe(true)
    await owner.say([pair('fdo.download:done', 26)])
    expect(owner.session.isDone).toBe(true)
    expect(Buffer.from(owner.packed).includes(text)).toBe(false)
  })

  it.each([
    [true, 'ends the run'],
    [false, 'is left out'],
  ])('that is refused (required: %s) %s, and says why', async (required) => {
    const owner = ownerOf([token(required)])
    owner.tokens.refusal = 'the group does not let it'
    const run = converse(owner, new MemoryHost())
    if (required) await expect(run).rejects.toThrow('no token: the group does not let it')
    else await run
    expect(owner.effectsOf('step-skipped')).toEqual(
      required
        ? []
        : [{ type: 'step-skipped', step: 'token', reason: 'no token: the group does not let it' }],
    )
    expect(owner.effectsOf('token-issued')).toEqual([])
  })

  it('is not made for a device that was given no certificate in this run', async () => {
    const owner = new OwnerWorld([token()])
    await expect(converse(owner, new MemoryHost())).rejects.toThrow(/no certificate in this run/)
    expect(owner.tokens.issued).toEqual([])
  })

  it('does not hide a failure of whoever issues it', async () => {
    const issue = () => Promise.reject(new TypeError('bug'))
    const owner = ownerOf([token(false)], { tokens: { issue } })
    await expect(converse(owner, new MemoryHost())).rejects.toBeInstanceOf(TypeError)
  })

  it('needs a module for files, as other files do', async () => {
    const without = new OwnerWorld([token(false)])
    expect((await without.say(devmodPairs(['fdo.command']))).isDone).toBe(true)
    expect(without.effectsOf('step-skipped')).toMatchObject([{ step: 'token' }])
    const needed = new OwnerWorld([token()])
    await expect(needed.say(devmodPairs(['fdo.command']))).rejects.toThrow(/none of its modules/)
  })

  it('goes another way where the device refuses the first', async () => {
    const owner = ownerOf()
    await owner.say(devmodPairs(['fdo.csr', 'fdo.download', 'fdo_sys']))
    await owner.say([await enroll(), pair('fdo.csr:cacerts-req', 281)])
    const reply = await owner.say([pair('fdo.download:active', false)])
    expect(keysOf(reply)).toEqual(['fdo_sys:active', 'fdo_sys:filedesc', 'fdo_sys:write'])
  })
})

describe('a plan without a token', () => {
  it('keeps no certificate, and its session is what it was before there were any', async () => {
    const owner = ownerOf([])
    await owner.say(devmodPairs(['fdo.csr']))
    await owner.say([await enroll()])
    expect(owner.issuer.issued).toHaveLength(1)
    expect(owner.session.certificate).toBeNull()
    expect(scan(owner.packed).items).toHaveLength(12)
  })

  it('gives its modules what those of the release before it read', () => {
    const file = { name: 'a', ref: 'a', length: 0, sha384: new Uint8Array(48) }
    const lengths = ({ ways }: PlanStep) => ways.map(({ task }) => scan(task).items.length)
    expect(lengths(fileStep({ name: 'file', required: true }, file))).toEqual([2, 3])
    expect(lengths(token())).toEqual([3, 4])
  })
})

async function enroll(message = 'simpleenroll-req'): Promise<KeyValue> {
  return pair(`fdo.csr:${message}`, toBase64(await hostKey().createCsr()))
}
