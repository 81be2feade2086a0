/** `firstlight device`: the device agent, and the devices that the service knows. */
import { mkdirSync, readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { describeRendezvousInfo } from '../../../protocol/types/rendezvous-text.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { ENCODINGS, type EncodingName, KEY_KINDS } from '../../simulator/keys.ts'
import type { KeyKind } from '../../../protocol/cose/algorithms.ts'
import { readCredentialFile, writeCredentialFile } from '../../simulator/credential-file.ts'
import { manufactureDevice } from '../../simulator/manufacture.ts'
import { type OnboardOptions, onboardFromFile } from '../../simulator/agent.ts'
import { fetchDeviceToken } from '../../simulator/token.ts'
import { fdoTransport } from '../../simulator/transport.ts'
import { timeoutMsOf } from '../api-client.ts'
import { run } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { httpUrl } from '../http-url.ts'
import { facts } from '../output.ts'
import { traced } from '../traced.ts'
import { addKnownDeviceCommands } from './known-device.ts'

export function deviceCommand(): Command {
  const device = new Command('device').description(
    'the device agent, and the devices of the service',
  )
  addInit(device)
  addOnboard(device)
  addToken(device)
  addFileCommands(device)
  addKnownDeviceCommands(device)
  return device
}

function addInit(device: Command): void {
  interface InitOptions {
    readonly di: string
    readonly credential: string
    readonly key: KeyKind
    readonly ownerKey: KeyKind
    readonly enc: EncodingName
    readonly serial: string
    readonly model: string
    readonly ca?: string
    readonly timeout: string
  }
  run<InitOptions>(
    device
      .command('init')
      .description('make a device: DI with a manufacturer')
      .requiredOption('--di <url>', 'the manufacturer')
      .requiredOption('--credential <file>', 'where the device keeps its key and credential')
      .addOption(choice('--key <kind>', "the device's own key", KEY_KINDS, 'p256'))
      .addOption(
        choice('--owner-key <kind>', 'the kind of owner key it asks for', KEY_KINDS, 'p256'),
      )
      .addOption(
        choice('--enc <encoding>', 'how owner keys are encoded', Object.keys(ENCODINGS), 'x509'),
      )
      .option('--serial <serial>', 'its serial number', 'SN-1')
      .option('--model <model>', 'its model', 'firstlight-device')
      .option('--ca <file>', "the CA of the manufacturer's certificate")
      .option('--timeout <seconds>', 'how long to wait for each answer', '60'),
    async ({ di, credential, enc, ca, timeout, ...rest }, output) => {
      const transport = fdoTransport(httpUrl(di, '--di').href, {
        ca: fileOf(ca),
        timeoutMs: timeoutMsOf(timeout),
      })
      const guid = await manufactureDevice({
        ...rest,
        transport,
        credentialPath: credential,
        encoding: enc,
      })
      output.result({ guid, credential, serial: rest.serial, model: rest.model }, (made) =>
        facts([
          ['GUID', made.guid],
          ['credential', made.credential],
        ]),
      )
    },
  )
}

function addOnboard(device: Command): void {
  interface OnboardFlags extends Omit<
    OnboardOptions,
    'note' | 'credentialPath' | 'ca' | 'cipher' | 'timeoutMs'
  > {
    readonly credential: string
    readonly ca?: string
    readonly cipher?: string
    readonly timeout: string
  }
  run<OnboardFlags>(
    device
      .command('onboard')
      .description('power the device up: find its owner and onboard')
      .requiredOption('--credential <file>', 'what device init made')
      .requiredOption('--sandbox <dir>', "the device's files: all that the owner sends stays in it")
      .option('--once', 'a single attempt')
      .option('--keep-credential', 'leave the credential file as it is')
      .option('--fast', 'hasten every wait')
      .option('--kex <name>', 'another key exchange than its own')
      .option('--cipher <id>', 'another cipher suite than its own')
      .option('--ca <file>', 'trust this CA for TLS, instead of any')
      .option('--timeout <seconds>', 'how long to wait for each answer', '60'),
    async ({ credential, cipher, ca, timeout, ...options }, output) => {
      mkdirSync(options.sandbox, { recursive: true, mode: 0o700 })
      const note = (line: string) => output.note(line)
      const wanted = {
        ...{ ...options, note, credentialPath: credential, ca: fileOf(ca) },
        timeoutMs: timeoutMsOf(timeout),
        ...(cipher === undefined ? {} : { cipher: integerOf(cipher) }),
      }
      const onboard = () => onboardFromFile(wanted)
      const { exitStatus, ...result } = await traced('device onboard', note, onboard)
      output.result(result, (one) =>
        facts([
          ['result', one.result],
          ['GUID', one.guid],
          ['before', one.previous_guid],
          ['took', `${one.ms} ms`],
          ...(one.message === null ? [] : [['because', one.message] as const]),
        ]),
      )
      process.exitCode = exitStatus
    },
  )
}

function addToken(device: Command): void {
  run<{ sandbox: string; scope?: string }>(
    device
      .command('token')
      .description("an access token for the device's certificate")
      .requiredOption('--sandbox <dir>', 'where the device was onboarded')
      .option('--scope <scope>', 'only these scopes'),
    async ({ sandbox, scope }, output) => {
      output.result(await fetchDeviceToken(sandbox, scope), ({ access_token }) => access_token)
    },
  )
}

function addFileCommands(device: Command): void {
  run<{ credential: string }>(
    device
      .command('rearm')
      .description('make an onboarded device look for a new owner: it is being sold')
      .requiredOption('--credential <file>', 'the credential of the device'),
    async ({ credential: path }, output) => {
      const { file, credential } = madeDevice(path)
      writeCredentialFile(path, { ...file, credential: { ...credential, active: true } })
      output.result(
        { guid: toHex(credential.guid), active: true },
        ({ guid }) => `${guid} is active`,
      )
    },
  )
  run<{ credential: string }>(
    device
      .command('show')
      .description('what a credential says, secrets left out')
      .requiredOption('--credential <file>', 'the credential of the device'),
    async ({ credential: path }, output) => {
      const { file, credential } = madeDevice(path)
      const shown = {
        guid: toHex(credential.guid),
        active: credential.active,
        serial: file.serial,
        device_info: credential.deviceInfo,
        kex: file.kex,
        cipher: file.cipher,
        rendezvous_info: describeRendezvousInfo(credential.rvInfo.value),
      }
      output.result(shown, ({ rendezvous_info, ...rest }) =>
        facts([
          ...Object.entries(rest).map(([name, value]) => [name, String(value)] as const),
          ...rendezvous_info.map((one, i) => [`rendezvous ${i + 1}`, JSON.stringify(one)] as const),
        ]),
      )
    },
  )
}

function madeDevice(path: string) {
  const file = readCredentialFile(path)
  if (file?.credential) return { file, credential: file.credential }
  throw new CliFailure('failed', `${path} holds no device`, {
    code: 'no-device',
    next: 'make one with: firstlight device init',
  })
}

function choice(flags: string, description: string, values: readonly string[], value: string) {
  return new Option(flags, description).choices(values).default(value)
}

function fileOf(path: string | undefined): Buffer | undefined {
  return path === undefined ? undefined : readFileSync(path)
}

function integerOf(text: string): number {
  if (/^-?\d{1,10}$/.test(text)) return Number(text)
  throw new CliFailure('usage', `--cipher: not a number of COSE: ${text}`)
}
