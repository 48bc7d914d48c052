package server

import "trunkline/codec"

// codeNames are the words for codes in metrics, status and logs. Golden files hold them: they never change.
var codeNames = [...]struct {
	code codec.ErrorCode
	name string
}{
	{codec.CodeRateLimited, "rate_limited"},
	{codec.CodeNoSuchUser, "no_such_user"},
	{codec.CodeNoSuchDevice, "no_such_device"},
	{codec.CodeTooLarge, "too_large"},
	{codec.CodeMailboxFull, "mailbox_full"},
	{codec.CodeServerFull, "server_full"},
	{codec.CodeUnsupported, "unsupported"},
	{codec.CodeNoPrekeys, "no_prekeys"},
	{codec.CodeNotMember, "not_member"},
	{codec.CodeTooMany, "too_many"},
	{codec.CodeInternal, "internal"},
	{codec.CodeNotForGroups, "not_for_groups"},
	{codec.CodeInvalidReceiver, "invalid_receiver"},
	{codec.CodeMalformed, "malformed"},
	{codec.CodeCseqGap, "cseq_gap"},
	{codec.CodeUnexpected, "unexpected"},
	{codec.CodeVersion, "version"},
	{codec.CodeReplaced, "replaced"},
	{codec.CodeGenerationStale, "generation_stale"},
	{codec.CodeNotAuthorized, "not_authorized"},
	{codec.CodeAckInvalid, "ack_invalid"},
	{codec.CodeDraining, "draining"},
	{codec.CodeLoginTimeout, "login_timeout"},
	{codec.CodeIdle, "idle"},
	{codec.CodeSlowConsumer, "slow_consumer"},
	{codec.CodeAckTimeout, "ack_timeout"},
	{codec.CodeCrashed, "crashed"},
	{codec.CodeBusy, "busy"},
}

// byName picks the codes that were counted at all out of a table indexed by code. Codes without a name count together as "other".
func byName(counts []uint64) map[string]uint64 {
	out := map[string]uint64{}
	rest := uint64(0)
	for _, n := range counts {
		rest += n
	}
	for _, c := range codeNames {
		if int(c.code) < len(counts) && counts[c.code] > 0 {
			out[c.name] = counts[c.code]
			rest -= counts[c.code]
		}
	}
	if rest > 0 {
		out["other"] = rest
	}
	return out
}
