//! The one gossip topic: its configuration and its peer scores.
//!
//! Gossip carries news to everyone within a round trip or two. It is a hint: nothing waits for it, and what it loses
//! is found by comparing heads. Messages are anonymous here, because their content is signed by the ledger and the
//! neighbour that passes one on is all that this layer could blame.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, MessageAuthenticity, MessageId, PeerScoreParams,
    PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
    score_parameter_decay,
};

use super::config::NetLimits;
use super::event::NetError;

/// Gossip that only knows our topic.
pub(super) type Gossip =
    Behaviour<libp2p::gossipsub::IdentityTransform, WhitelistSubscriptionFilter>;

/// Room for what surrounds the data of a message: the topic's name, tags and lengths.
const ENVELOPE: usize = 1024;
/// Room for what was read of the next frame. gossipsub 0.50 holds its limit against all it has buffered, up to 8 KiB
/// past the frame in hand; without this room a large message followed closely by another breaks the stream.
const READ_AHEAD: usize = 16 * 1024;
/// Messages that may wait for one slow peer; times the largest message this bounds the memory a peer can pin.
const QUEUE_PER_PEER: usize = 128;
/// Rejected messages fade to a tenth in this time: three of them silence a peer for about seven minutes.
const REJECT_MEMORY: Duration = Duration::from_secs(3600);
/// Breaches of the mesh protocol fade faster: a few of them happen in good faith when connections break.
const BREACH_MEMORY: Duration = Duration::from_secs(600);

/// The network's topic.
pub(super) fn topic(network_hex: &str) -> IdentTopic {
    IdentTopic::new(format!("certmesh/{network_hex}/news/1"))
}

/// Builds gossip, subscribed to `topic` and to nothing else.
pub(super) fn build(
    network_hex: &str,
    topic: &IdentTopic,
    limits: &NetLimits,
) -> Result<Gossip, NetError> {
    let config = ConfigBuilder::default()
        .protocol_id_prefix(format!("/certmesh/{network_hex}/gossip"))
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::new(blake3::hash(&message.data).as_bytes()))
        .max_transmit_size(limits.max_gossip_bytes + ENVELOPE + READ_AHEAD)
        .max_transmit_size_for_topic(limits.max_gossip_bytes + ENVELOPE, topic.hash())
        .connection_handler_queue_len(QUEUE_PER_PEER)
        .flood_publish(true)
        // Sized for networks of up to about sixty peers. An author floods its own news to all its neighbours anyway;
        // the mesh is for the news of others.
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .mesh_outbound_min(2)
        .heartbeat_initial_delay(Duration::from_secs(1))
        .build()
        .map_err(|error| NetError::Gossip(error.to_string()))?;
    let filter = WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let mut gossip =
        Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .map_err(|error| NetError::Gossip(error.to_owned()))?;
    gossip
        .with_peer_score(score_params(topic.hash()), score_thresholds())
        .map_err(NetError::Gossip)?;
    gossip
        .subscribe(topic)
        .map_err(|error| NetError::Gossip(error.to_string()))?;
    Ok(gossip)
}

/// What a peer earns and loses. Only offences that an honest peer cannot commit weigh anything: a rejected message,
/// and breaking the mesh protocol again and again. Sharing an address with others (one machine, one gateway), being slow
/// or having no news is not an offence.
fn score_params(topic: TopicHash) -> PeerScoreParams {
    let topic_params = TopicScoreParams {
        topic_weight: 1.0,
        // A little credit for staying and for bringing news first: at most 1 + 4, so it never buys a rejected message.
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: score_parameter_decay(Duration::from_secs(60)),
        first_message_deliveries_cap: 40.0,
        // News is rare at night: silence is not an offence.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // The penalty is the square of the count: one costs 20, two 80, three 180.
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: score_parameter_decay(REJECT_MEMORY),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic, topic_params)]),
        topic_score_cap: 5.0,
        app_specific_weight: 0.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: score_parameter_decay(BREACH_MEMORY),
        slow_peer_weight: 0.0,
        retain_score: REJECT_MEMORY,
        ..PeerScoreParams::default()
    }
}

/// Where the score begins to hurt: after one rejected message a peer leaves the mesh, after two it gets none of our
/// news, after three nothing it gossips is looked at.
fn score_thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -10.0,
        publish_threshold: -50.0,
        graylist_threshold: -100.0,
        ..PeerScoreThresholds::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_rejected_messages_outweigh_all_credit_and_one_does_not_silence() {
        let params = score_params(topic("00").hash());
        let thresholds = score_thresholds();
        params.validate().unwrap();
        thresholds.validate().unwrap();
        let penalty = params.topics[&topic("00").hash()].invalid_message_deliveries_weight;
        assert!(9.0 * penalty + params.topic_score_cap < thresholds.graylist_threshold);
        assert!(penalty > thresholds.publish_threshold);
    }
}
