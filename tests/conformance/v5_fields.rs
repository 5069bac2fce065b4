//! MQTT 5.0 chapters 1 and 2: how fields and headers are encoded, and packet identifiers.

use crate::server::Server;

#[test]
fn mqtt_2_2_1_6_suback_and_unsuback_carry_the_packet_identifier_of_their_request() {
    let server = Server::shared();
    let mut client = server.v5("c-2.2.1-6");
    client.exchange("82 <1234 <> 'c-2.2.1-6' 00>", "90 <1234 <> 00>");
    client.exchange("A2 <FFFF <> 'c-2.2.1-6'>", "B0 <FFFF <> 00>");
}
