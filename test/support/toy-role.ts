/** A made-up protocol with TO2's numbers and none of its meaning: sealed at first, then in a row. */
import { HOME_PARTY } from '../../src/database/tables.ts'
import type { Bytes } from '../../protocol/bytes.ts'
import { type Infer, bytes, tuple, uint } from '../../protocol/cbor/schema.ts'
import { FdoError } from '../../protocol/errors.ts'
import { type BodyOf, messageOf, messageType } from '../../protocol/message.ts'
import { type Role, type StateSchemas, type Step, on } from '../../protocol/role.ts'
import type { Executor } from '../../src/database/connection.ts'
import { type MountedRole, type Mounting, mount } from '../../src/fdo/mounted-role.ts'

const Body = tuple({ value: uint() })
const Reply = tuple({ value: uint(), random: bytes() })
export type ToyReply = Infer<typeof Reply>

export const Hello = messageType(60, 'Hello', Body)
export const Hello2 = messageType(61, 'Hello2', Reply)
export const Next = messageType(62, 'Next', Body)
export const Next2 = messageType(63, 'Next2', Reply)
export const Prove = messageType(64, 'Prove', Body)
export const Prove2 = messageType(65, 'Prove2', Reply)
export const Round = messageType(68, 'Round', Body)
export const Round2 = messageType(69, 'Round2', Reply)
export const Done = messageType(70, 'Done', Body)
export const Done2 = messageType(71, 'Done2', Reply)

export type ToyState =
  | { readonly expects: 'Hello' }
  | { readonly expects: 'Prove'; readonly sum: number }
  | { readonly expects: 'Round'; readonly sum: number }

export interface ToyEffect {
  readonly type: 'proven' | 'counted' | 'finished'
  readonly sum: number
}

export interface ToyContext {
  randomBytes(length: number): Bytes
  /** How long the answer to a Round is held back. */
  readonly holdMs?: number
  /** Called in the middle of a step. */
  readonly meanwhile?: () => Promise<void>
}

const states: StateSchemas<ToyState> = {
  Hello: tuple({}),
  Prove: tuple({ sum: uint() }),
  Round: tuple({ sum: uint() }),
}

type ToyStep = Step<ToyState, ToyEffect>
type Adding = { readonly sum: number }

/** Every reply has fresh randomness in it, so that equal replies are repeats. */
function step(reply: typeof Hello2, next: ToyState | null, effects: ToyEffect[] = []) {
  return ({ value }: BodyOf<typeof Hello>, context: ToyContext): ToyStep => ({
    next,
    reply: messageOf(reply, { value, random: context.randomBytes(16) }),
    effects,
  })
}

async function round(state: Adding, body: BodyOf<typeof Round>, context: ToyContext) {
  if (body.value === 13) throw new FdoError('INVALID_MESSAGE_ERROR', 'thirteen is refused')
  if (body.value === 99) throw new Error('a bug, with a secret in its text')
  await context.meanwhile?.()
  const sum = state.sum + body.value
  const taken = step(Round2, { expects: 'Round', sum }, [{ type: 'counted', sum }])(body, context)
  return context.holdMs ? { ...taken, holdMs: context.holdMs } : taken
}

const role: Role<ToyState, ToyContext, ToyEffect> = {
  Hello: [
    on(Hello, (_: object, body, context: ToyContext) =>
      step(Hello2, { expects: 'Prove', sum: body.value })(body, context),
    ),
  ],
  Prove: [
    on(Next, ({ sum }: Adding, body, context: ToyContext) =>
      step(Next2, { expects: 'Prove', sum: sum + body.value })(body, context),
    ),
    on(Prove, ({ sum }: Adding, body, context: ToyContext) =>
      step(Prove2, { expects: 'Round', sum }, [{ type: 'proven', sum }])(body, context),
    ),
  ],
  Round: [
    on(Round, round),
    on(Done, ({ sum }: Adding, body, context: ToyContext) =>
      step(Done2, null, [{ type: 'finished', sum }])(body, context),
    ),
  ],
}

export type ToyMounting = Mounting<ToyState, ToyContext, ToyEffect>

export function mountToy(
  context: ToyContext,
  overrides: Partial<Pick<ToyMounting, 'committed' | 'brokenOff' | 'write'>> = {},
): MountedRole {
  return mount<ToyState, ToyContext, ToyEffect>({
    name: 'TOY',
    role,
    states,
    firstMessage: 60,
    initialState: { expects: 'Hello' },
    rows: ['Round'],
    context: () => context,
    write: countEffect,
    durable: ['finished'],
    ...overrides,
  })
}

/** Counts in a table what was written, so that a second effect shows. */
export async function countEffect({ type, sum }: ToyEffect, tx: Executor): Promise<void> {
  await tx
    .insertInto('setting')
    .values({
      party: HOME_PARTY,
      name: `toy ${type}`,
      value: String(sum),
      version: 1,
      updated_at: '',
    })
    .onConflict((conflict) =>
      conflict
        .columns(['party', 'name'])
        .doUpdateSet((eb) => ({ version: eb('setting.version', '+', 1) })),
    )
    .execute()
}

/** How often an effect was written. */
export async function effectCount(db: Executor, type: ToyEffect['type']): Promise<number> {
  const row = await db
    .selectFrom('setting')
    .select('version')
    .where('name', '=', `toy ${type}`)
    .executeTakeFirst()
  return row?.version ?? 0
}
