/** Runs of TO2 as the management API shows them. */
import { z } from '@hono/zod-openapi'
import type { DeviceProgress } from './service.ts'

const Bytes = z.object({ done: z.number().int(), total: z.number().int() })

export const ProgressView = z
  .object({
    device: z.string(),
    guid: z.string(),
    state: z.string(),
    outcome: z
      .enum(['none', 'running', 'onboarded', 'failed'])
      .openapi({ description: 'of its last run of TO2' }),
    error: z.string().nullable(),
    plan: z.object({ name: z.string(), version: z.number().int() }).nullable(),
    message: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'the last of TO2 that is known to be answered' }),
    rounds: z.number().int().nullable(),
    received_bytes: z.number().int().nullable(),
    steps: z.array(
      z.object({
        name: z.string(),
        state: z.enum(['waiting', 'running', 'done', 'skipped', 'failed']),
        module: z.string().nullable(),
        reason: z.string().nullable(),
        bytes: Bytes.nullable().openapi({ description: 'of the file that is under way' }),
        stdout: z.string().nullable(),
        stderr: z.string().nullable(),
      }),
    ),
    steps_left: z.number().int().nullable(),
    started_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    updated_at: z.string().nullable(),
  })
  .openapi('OnboardingProgress')

export function progressView({ device, run }: DeviceProgress) {
  const { id, guid, state, last_error } = device
  return {
    ...{ device: id, guid, state },
    outcome: run.outcome,
    error: run.outcome === 'failed' ? last_error : null,
    plan: run.plan,
    message: run.message,
    rounds: run.rounds,
    received_bytes: run.receivedBytes,
    steps: [...run.steps],
    steps_left: run.stepsLeft,
    started_at: run.startedAt,
    ended_at: run.endedAt,
    updated_at: run.updatedAt,
  }
}
